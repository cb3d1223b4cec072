"""What the stage commands share: the recipe argument, `--set`, `--dry-run`, and flags that stand for settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from mmupt import console
from mmupt.cli.exits import remember_run_folder
from mmupt.config import Override, Section, load, to_dict

Recipe = Annotated[Path | None, typer.Argument(metavar="[RECIPE.toml]", show_default=False, help="Settings in TOML.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as rollout.temperature=1.0. Repeatable."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the resolved settings as JSON and stop.")]

T = TypeVar("T", bound=Section)


def resolve(cls: type[T], recipe: Path | None, flags: Mapping[str, str | int | None], sets: list[str] | None) -> T:
    """Defaults, then the recipe, then the flags that were given, then `--set`. A flag is named after its key."""
    given = [Override(key, value, _spelt(key)) for key, value in flags.items() if value is not None]
    config = load(cls, recipe, [*given, *(sets or [])])
    out = getattr(config, "out", None)
    remember_run_folder(None if out is None else Path(out))
    return config


def show(config: Section) -> None:
    """The resolved settings on stdout."""
    console.say(json.dumps(to_dict(config), indent=1, ensure_ascii=False))


def _spelt(key: str) -> str:
    return f"--{key.rpartition('.')[2].replace('_', '-')}"
