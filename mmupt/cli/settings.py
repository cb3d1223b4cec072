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
Model = Annotated[str | None, typer.Option(help="Model folder or hub name; tiny is the embedded one.")]
Out = Annotated[str | None, typer.Option(help="Run folder to make or to go on with.")]
Engine = Annotated[str | None, typer.Option(help="auto, transformers, vllm, openai or scripted.")]

T = TypeVar("T", bound=Section)


def resolve(cls: type[T], recipe: Path | None, flags: Mapping[str, str | int | None], sets: list[str] | None) -> T:
    """Defaults, then the recipe, then the flags that were given, then `--set`. A flag is named after its key."""
    given = [Override(key, value, _spelt(key)) for key, value in flags.items() if value is not None]
    config = load(cls, recipe, [*given, *(sets or [])])
    out = getattr(config, "out", None)
    remember_run_folder(None if out is None else Path(out))
    return config


def typed(recipe: Path | None, flags: Mapping[str, str | int | None], sets: list[str] | None) -> list[str]:
    """The arguments that give the same settings again."""
    given = [f"{key}={json.dumps(value)}" for key, value in flags.items() if value is not None]
    words = [word for each in [*given, *(sets or [])] for word in ("--set", each)]
    return words if recipe is None else [str(recipe), *words]


def show(config: Section) -> None:
    """The resolved settings on stdout."""
    console.say(json.dumps(to_dict(config), indent=1, ensure_ascii=False))


def _spelt(key: str) -> str:
    return f"--{key.rpartition('.')[2].replace('_', '-')}"
