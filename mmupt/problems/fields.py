"""Raw field values -> the types of a Problem. What cannot be read is a UserError with its row."""

import math
from collections.abc import Mapping

from mmupt.errors import UserError
from mmupt.types import JsonValue

TYPED_FIELDS = frozenset({"answer_type", "precision", "unit", "shown", "meta"})
"""Fields of a Problem with a name of their own in every source."""


def as_text(value: object, where: str, name: str) -> str:
    """The value as stripped text ("" for none); lone surrogates become "?", so that the text can be written again."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | tuple):
        return str(list(value))
    if not isinstance(value, str | int | float):
        raise UserError(f"{name} is {type(value).__name__}, not text", where=where, fix=f"write {name} as a string")
    return str(value).encode("utf-8", "replace").decode().strip()


def as_choices(value: object, where: str) -> tuple[str, ...]:
    """The choices' texts in order; () for a free-form question."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise UserError("choices are not a list", where=where, fix='write them as ["first", "second", ...]')
    return tuple(as_text(choice, where, "a choice") for choice in value)


def as_precision(value: object) -> int | None:
    """Decimal places. Hubs keep integers with gaps as floats, with NaN for a gap."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value)


def as_meta(fields: Mapping[str, object], leave_out: frozenset[str]) -> dict[str, JsonValue]:
    """Every further field that JSON can hold; the fields of a "meta" column stand beside them."""
    nested = fields.get("meta")
    merged = {**fields, **(nested if isinstance(nested, Mapping) else {})}
    kept = {str(name): _json(value) for name, value in merged.items() if name not in leave_out | TYPED_FIELDS}
    return {name: value for name, value in kept.items() if value is not None}


def _json(value: object) -> JsonValue:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _json(item) for name, item in value.items() if not isinstance(item, bytes)}
    return None
