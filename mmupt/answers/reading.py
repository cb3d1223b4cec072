"""What one answer says: a number, a constant, an expression, a list, ..., with the key of its meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mmupt.answers.fingerprint import number_key
from mmupt.answers.units import Unit

Kind = Literal["number", "percent", "expression", "equation", "order", "clock", "ratio", "list", "latex", "text"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says."""

    key: str
    """Equal for equal answers. Units do not count, percent does."""
    kind: Kind
    value: Fraction | float | None = None
    """The number, for a number, a percentage (40 for 40 %), a constant such as 5√2, a ratio of two (its quotient)."""
    unit: Unit | None = None
    """The unit, where one is written."""
    label: str | None = None
    """"x" in "x = 5"."""
    relation: str | None = None
    """For an equation between expressions the key of the whole equation."""
    items: tuple["Reading", ...] = ()
    """Members of a list, in the order written."""
    brackets: str = ""
    """"()", "[)", "{}", ... around a list, "∪∪" for a union; "" for a bare one."""
    text: str = ""
    """The cleaned text that was read."""


Inner = Callable[[str], Reading]
"""Reads a part of an answer, one level deeper; every way of reading is given one."""
Way = Callable[[str, Inner], Reading | None]
"""One way to read a cleaned text; None where the text is not of that kind."""


def number(value: Fraction, unit: Unit | None = None) -> Reading:
    """The reading of a plain number."""
    return Reading(number_key(value), "number", value, unit)


def is_mathematics(reading: Reading) -> bool:
    """Whether a part was read as something other than words or unread LaTeX."""
    return reading.kind not in ("text", "latex")
