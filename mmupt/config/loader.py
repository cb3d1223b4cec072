"""A TOML recipe and overrides -> a settings struct, or one line that says what is wrong and where it was written."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from mmupt.config.keys import check_keys, not_finite, options_at, value_at
from mmupt.config.overrides import Override, apply, as_overrides
from mmupt.config.recipe import laid, read
from mmupt.config.section import Section
from mmupt.errors import UserError
from mmupt.suggest import way_out
from mmupt.types import JsonValue

T = TypeVar("T", bound=Section)


def load(cls: type[T], recipe: Path | None, sets: Sequence[str | Override] = (), *, table: str | None = None) -> T:
    """Defaults of `cls`, then the recipe (or one table of it), then the overrides from left to right."""
    settings = {} if recipe is None else _table(recipe, table)
    return parse(cls, settings, sets, source="the settings" if recipe is None else str(recipe))


def parse(
    cls: type[T],
    settings: Mapping[str, JsonValue],
    sets: Sequence[str | Override] = (),
    *,
    source: str = "the settings",
) -> T:
    """`load` for settings that are at hand already; `source` names them in error messages."""
    check_keys(cls, settings, source)
    merged = _copied(settings)
    overrides = as_overrides(sets)
    for override in overrides:
        check_keys(cls, _nested(override), override.source)
        apply(merged, override)
    merged = laid(cls.implied(merged), merged)
    if key := not_finite(merged):
        raise UserError(f"{key}: is not a finite number", where=_written(key, overrides, source))
    try:
        return msgspec.convert(merged, cls, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _told(cls, error, merged, overrides, source) from error


def _table(recipe: Path, table: str | None) -> dict[str, JsonValue]:
    settings = read(recipe)
    if table is None:
        return settings
    if not isinstance(inner := settings.get(table), dict):
        raise UserError(f"has no table [{table}]", where=str(recipe), fix=way_out(table, settings))
    return inner


def _copied(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: _copied(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}


def _nested(override: Override) -> dict[str, JsonValue]:
    nested: dict[str, JsonValue] = {}
    apply(nested, override)
    return nested


def _decode(kind: type, value: object) -> object:
    if kind is object:
        return value
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


def _told(
    cls: type[Section], error: msgspec.ValidationError, merged: JsonValue, overrides: list[Override], source: str
) -> UserError:
    """msgspec's "Expected `int`, got `str` - at `$.a.b`" as one of ours, with the place where the value was written."""
    text, _, at = str(error).replace("`", "").partition(" - at $")
    key = at.lstrip(".")
    where = _written(key, overrides, source)
    if isinstance(error.__cause__, UserError):
        return UserError(error.__cause__.what, where=where, fix=error.__cause__.fix)
    if match := re.fullmatch(r"Object missing required field (\w+)", text):
        name = f"{key}.{match[1]}" if key else match[1]
        return UserError(f"the setting {name!r} is missing", where=source, fix=f"add it, or give --set {name}=VALUE")
    wrong = text[0].lower() + text[1:]
    got = value_at(merged, key)
    shown = "" if "got" in wrong or got is None else f", got {json.dumps(got)}"
    return UserError(
        f"{key}: {wrong}{shown}" if key else wrong, where=where, fix=_hint(text, options_at(cls, key), got)
    )


def _written(key: str, overrides: list[Override], source: str) -> str:
    bare = re.sub(r"\[[^]]*\]", "", key)
    for override in reversed(overrides):
        if bare == override.key or bare.startswith(f"{override.key}.") or override.key.startswith(f"{bare}."):
            return override.source
    return source


def _hint(text: str, options: Sequence[str], got: JsonValue) -> str | None:
    if options:
        return way_out(str(got), options)
    if re.match(r"Expected str\b.*got (int|float|bool)", text):
        return """put the text in quotes, such as 'key="12"'"""
    return None
