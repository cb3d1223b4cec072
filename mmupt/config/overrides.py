"""`--set a.b=c` -> a key, a value, and where it came from."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from mmupt.errors import UserError
from mmupt.types import JsonValue


@dataclass(frozen=True, slots=True)
class Override:
    """One setting from the command line."""

    key: str
    """Dotted key, such as "rollout.temperature"."""
    value: JsonValue
    source: str
    """What the user typed, for error messages: "--set a.b=c", or the flag that stands for the key."""


def parse_set(text: str) -> Override:
    """`a.b=c`; c is read as TOML, else as `null`, else it is taken as a string."""
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise UserError(f"--set {text!r} is no assignment", fix="write --set section.key=value")
    return Override(".".join(parts), parse_value(value.strip()), f"--set {text}")


def parse_value(text: str) -> JsonValue:
    """A TOML value where `text` is one, None for `null` (which TOML cannot say), else the string itself."""
    if text == "null":
        return None
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # More than one key means that the text held a line break and was no single value; a date is never a setting.
    if len(parsed) != 1 or isinstance(parsed["value"], (datetime, date, time)):
        return text
    value: JsonValue = parsed["value"]
    return value


def as_overrides(sets: Sequence[str | Override]) -> list[Override]:
    """Texts of `--set` and ready overrides, in one list, in the order given."""
    return [parse_set(item) if isinstance(item, str) else item for item in sets]


def apply(settings: dict[str, JsonValue], override: Override) -> None:
    """Write the override into nested tables, making the tables that are missing."""
    *tables, last = override.key.split(".")
    here = settings
    for depth, name in enumerate(tables, start=1):
        inner = here.setdefault(name, {})
        if not isinstance(inner, dict):
            outer = ".".join(tables[:depth])
            raise UserError(f"{outer!r} is a value, not a section", where=override.source)
        here = inner
    here[last] = override.value
