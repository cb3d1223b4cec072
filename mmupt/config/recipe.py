"""A TOML recipe -> its tables as they are written; `extends` is followed here and nowhere else.

    extends = "OTHER.toml"     a file beside this one, or the name of a shipped pipeline

lays a recipe over another: its values win, tables are joined key by key, lists are taken whole. What it names comes
first, in its own order; what it leaves to the other follows. So a stage that it adds stands before those that it
changes. The other may extend a third.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from mmupt import shipped
from mmupt.errors import UserError
from mmupt.suggest import way_out
from mmupt.types import JsonValue

EXTENDS = "extends"


def read(recipe: Path) -> dict[str, JsonValue]:
    """What the recipe says, laid over what it extends. A circle, a missing or a broken file is a UserError."""
    return _read(recipe, ())


def laid(below: Mapping[str, JsonValue], over: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """`over` laid over `below`, table by table; the keys of `over` first."""
    both: dict[str, JsonValue] = {}
    for key, value in over.items():
        under = below.get(key)
        both[key] = laid(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return both | {key: value for key, value in below.items() if key not in both}


def _read(recipe: Path, above: tuple[Path, ...]) -> dict[str, JsonValue]:
    settings = _parsed(recipe)
    other = settings.pop(EXTENDS, None)
    if other is None:
        return settings
    if not isinstance(other, str):
        raise UserError("extends is not a text", where=str(recipe), fix='write extends = "OTHER.toml"')
    below = _found(other, recipe)
    if below.resolve() in (*above, recipe.resolve()):
        raise UserError(f"extends {other}, which extends it", where=str(recipe), fix="take one of the two lines out")
    return laid(_read(below, (*above, recipe.resolve())), settings)


def _found(other: str, recipe: Path) -> Path:
    beside = recipe.parent / other
    if beside.is_file():
        return beside
    known = shipped.pipelines()
    if other not in known:
        fix = way_out(other, [*(file.name for file in recipe.parent.glob("*.toml")), *known])
        raise UserError(f"extends {other}, which is neither beside it nor shipped", where=str(recipe), fix=fix)
    return known[other]


def _parsed(recipe: Path) -> dict[str, JsonValue]:
    try:
        with recipe.open("rb") as file:
            settings: dict[str, JsonValue] = tomllib.load(file)
    except FileNotFoundError:
        raise UserError("there is no such recipe file", where=str(recipe), fix=_near(recipe)) from None
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=str(recipe)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"is not TOML: {error}", where=str(recipe)) from None
    return settings


def _near(recipe: Path) -> str | None:
    folder = recipe.parent
    names = [file.name for file in folder.glob("*.toml")] if folder.is_dir() else []
    return way_out(recipe.name, names) if names else None
