"""Settings -> TOML text that `load` reads again."""

import json
from collections.abc import Iterator, Mapping

from mmupt.types import JsonValue


def dumps(settings: Mapping[str, JsonValue]) -> str:
    """Values first, then one table for each section. None, which TOML cannot say, is left out."""
    return "".join(f"{line}\n" for line in _lines(settings, ()))


def _lines(settings: Mapping[str, JsonValue], path: tuple[str, ...]) -> Iterator[str]:
    for name, value in settings.items():
        if value is not None and not isinstance(value, dict):
            yield f"{_key(name)} = {_value(value)}"
    for name, value in settings.items():
        if isinstance(value, dict):
            yield f"\n[{'.'.join(map(_key, (*path, name)))}]"
            yield from _lines(value, (*path, name))


def _value(value: JsonValue) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items() if each is not None)
        return f"{{{inside}}}"
    # JSON and TOML spell booleans, numbers and strings alike, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)
