"""Which keys a settings struct knows, at any depth; an unknown one is named together with the nearest known one."""

import math
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import msgspec

from mmupt.config.section import Section
from mmupt.errors import UserError
from mmupt.suggest import nearest
from mmupt.types import JsonValue

_STEP = re.compile(r"\[[^]]*\]")


def check_keys(cls: type[Section], settings: Mapping[str, JsonValue], source: str, prefix: str = "") -> None:
    """Refuse the first key that `cls`, or the section below it that the key belongs to, does not know."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(cls)}
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if name not in fields:
            raise UserError(f"unknown key {key!r}", where=source, fix=_way_out(cls, name, prefix))
        inner = _section(fields[name])
        for table in _tables(value):
            if inner is not None:
                check_keys(inner, table, source, f"{key}.")


def all_keys(cls: type[Section], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a struct, sections first opened, in the order of declaration."""
    for field in msgspec.structs.fields(cls):
        inner = _section(field.type)
        if inner is None:
            yield f"{prefix}{field.encode_name}"
        else:
            yield from all_keys(inner, f"{prefix}{field.encode_name}.")


def options_at(cls: type[Section], key: str) -> list[str]:
    """The texts that a `Literal` setting may be, or nothing for any other setting."""
    name, _, rest = _STEP.sub("", key).partition(".")
    kinds = [field.type for field in msgspec.structs.fields(cls) if field.encode_name == name]
    if not kinds or (rest and _section(kinds[0]) is None):
        return []
    inner = _section(kinds[0])
    return options_at(inner, rest) if rest and inner is not None else sorted(_literals(kinds[0]))


def value_at(settings: JsonValue, key: str) -> JsonValue:
    """The value that stands at a path such as "a.b[1].c", or None."""
    for step in re.findall(r"[^.\[\]]+", key):
        if isinstance(settings, dict):
            settings = settings.get(step)
        elif isinstance(settings, list) and step.isdecimal() and int(step) < len(settings):
            settings = settings[int(step)]
        else:
            return None
    return settings


def not_finite(settings: JsonValue, key: str = "") -> str | None:
    """The first key whose value is nan or inf: TOML allows them, no setting does, and JSON cannot hold them."""
    if isinstance(settings, dict):
        inner = ((value, f"{key}.{name}" if key else name) for name, value in settings.items())
        return next((found for value, name in inner if (found := not_finite(value, name))), None)
    if isinstance(settings, list):
        return next((found for value in settings if (found := not_finite(value, key))), None)
    return key if isinstance(settings, float) and not math.isfinite(settings) else None


def _way_out(cls: type[Section], name: str, prefix: str) -> str:
    # The name may be right and the section forgotten: temperature for rollout.temperature.
    deeper = next((key for key in all_keys(cls, prefix) if key.endswith(f".{name}")), None)
    known = [field.encode_name for field in msgspec.structs.fields(cls)]
    best = nearest(name, known)
    if deeper is None and best is None:
        return f"known here: {', '.join(known)}"
    return f"did you mean {deeper or f'{prefix}{best}'!r}?"


def _tables(value: JsonValue) -> list[dict[str, JsonValue]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _section(kind: object) -> type[Section] | None:
    """The one struct inside a field's type (through Optional, Annotated, list and tuple), or None."""
    if isinstance(kind, type) and issubclass(kind, Section):
        return kind
    if get_origin(kind) in (Union, UnionType, Annotated, list, tuple):
        found = {inner for arg in get_args(kind) if (inner := _section(arg)) is not None}
        return found.pop() if len(found) == 1 else None
    return None


def _literals(kind: object) -> set[str]:
    if get_origin(kind) is Literal:
        return {str(option) for option in get_args(kind)}
    inner = get_args(kind) if get_origin(kind) in (Union, UnionType, Annotated) else ()
    return {option for arg in inner for option in _literals(arg)}
