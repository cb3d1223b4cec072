"""The ways to read relations: equations (x = 5 says 5, y = 2x + 1 says 2x + 1 or the whole line) and inequalities."""

import re
from dataclasses import replace

from mmupt.answers import fingerprint
from mmupt.answers.arithmetic import UndefinedError
from mmupt.answers.expression import Expression
from mmupt.answers.reading import Inner, Reading, is_mathematics
from mmupt.answers.structure import items, label, split_top
from mmupt.answers.tokens import UnreadableError

_ABOUT = re.compile(r"\\approx(?![a-zA-Z])")
_ORDER = re.compile(r"\\le |\\ge |<=|>=|<|>")
_MEMBER = re.compile(r"([A-Za-z])\s*\\in(?![a-zA-Z])\s*(.+)")
_SIGNS = {"\\le ": "≤", "<=": "≤", "\\ge ": "≥", ">=": "≥", "<": "<", ">": ">"}
_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}


def order(text: str, inner: Inner) -> Reading | None:
    """One or two inequalities; a single name between bounds is the interval of its values."""
    signs = [_SIGNS[sign] for sign in _ORDER.findall(text)]
    sides = [side.strip() for side in _ORDER.split(text)]
    if not 1 <= len(signs) <= 2 or not all(sides):
        return None
    if signs[0] in ">≥":
        sides, signs = sides[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
    middle = 1 if len(sides) == 3 or label(sides[0]) is None else 0
    ends = {at: inner(side) for at, side in enumerate(sides) if at != middle}
    if any(sign in ">≥" for sign in signs) or not all(map(is_mathematics, ends.values())):
        return None
    if label(sides[middle]) is None:
        ends[middle] = inner(sides[middle])
        keys = "<".join(ends[at].key for at in range(len(sides)))
        return Reading(f"order:{keys}{''.join(signs)}", "order") if is_mathematics(ends[middle]) else None
    low = ends[middle - 1].key if middle else "constant:-inf"
    high = ends[middle + 1].key if middle + 1 in ends else "constant:inf"
    left = "[" if middle and signs[middle - 1] == "≤" else "("
    right = "]" if middle + 1 in ends and signs[middle] == "≤" else ")"
    return Reading(f"list:{left}{low}|{high}{right}", "order")


def equation(text: str, inner: Inner) -> Reading | None:
    """A labelled value says the value; any other equation counts up to a constant factor."""
    member = _MEMBER.fullmatch(text)
    if member:
        return replace(inner(member[2]), label=member[1])
    exact, *about = _ABOUT.split(text)
    if about:
        name = label(exact.strip())
        return replace(inner(about[-1] if name or not exact.strip() else exact), label=name)
    sides = split_top(text, "=")
    if len(sides) < 2 or not all(sides) or len(items(text)) > 1:
        return None
    return _labelled(sides, inner) or _implicit(sides)


def _labelled(sides: list[str], inner: Inner) -> Reading | None:
    name, value = label(sides[0]), sides[-1]
    if name is None and len(sides) == 2 and label(sides[1]):
        name, value = label(sides[1]), sides[0]
    if name is None and not _is_constant(sides[0]):
        return None
    said = inner(value)
    if name is None or said.kind != "expression":
        return replace(said, label=name)
    if name in _names(value):
        return None
    whole = _implicit([name, value])
    return replace(said, label=name, relation=whole.key if whole else None)


def _is_constant(text: str) -> bool:
    try:
        return fingerprint.constant(text) is not None
    except (UnreadableError, UndefinedError):
        return False


def _names(text: str) -> set[str]:
    try:
        return Expression(text).variables
    except (UnreadableError, UndefinedError):
        return set()


def _implicit(sides: list[str]) -> Reading | None:
    try:
        key = fingerprint.equation_key(sides[0], sides[-1]) if len(sides) == 2 else None
    except (UnreadableError, UndefinedError):
        return None
    return Reading(key, "equation", relation=key) if key else None
