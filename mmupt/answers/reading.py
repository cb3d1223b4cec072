"""An answer's text -> what it says: a number, a constant, an expression, a list, ..., and the key of that meaning.

Two answers are the same when their keys are the same. The ways to write one thing are tried from the plain to the odd;
what none of them reads is LaTeX (for `mmupt.answers.latex`) or text. Reading never raises and is bounded by `limits`.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from mmupt.answers import fingerprint
from mmupt.answers.arithmetic import Undefined
from mmupt.answers.clean import clean, tidy
from mmupt.answers.limits import CACHE, EXPRESSION, ITEMS, LATEX
from mmupt.answers.numbers import parse_number, parse_word
from mmupt.answers.structure import bracketed, items, label, rows_as_list, split_top
from mmupt.answers.text import fold, looks_like_latex
from mmupt.answers.tokens import Unreadable
from mmupt.answers.units import SCALES, Unit, parse_unit

Kind = Literal["number", "percent", "expression", "equation", "order", "clock", "ratio", "list", "latex", "text"]

_UNIT = re.compile(r"(.*?(?:\d|\}|\)|°|\s|(?<=\d)\.))\s*((?:°[CFT]?|[A-Za-zμ]|[\u4e00-\u9fff])[A-Za-zμ.\u4e00-\u9fff/ ]{0,40}(?:\s*\^?\{?[23]\}?)?|°[CFT]?)")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::\d\d)?\s*([ap]\.?m\.?)?", re.IGNORECASE)
_INFINITY = re.compile(r"([-+]?)\s*(?:\\infty|infinity|inf)\s*", re.IGNORECASE)
_ORDER = re.compile(r"\\le |\\ge |<=|>=|<|>")
_FLIPPED = {"<": "<", "≤": "≤", ">": "<", "≥": "≤"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says."""

    key: str
    """Equal for equal answers. Units do not count, percent does."""
    kind: Kind
    value: Fraction | float | None = None
    """The number, for a number, a percentage (40 for 40 %) or a constant such as 5√2."""
    unit: Unit | None = None
    """The unit, where one is written."""
    label: str | None = None
    """"x" in "x = 5"."""
    relation: str | None = None
    """For a labelled expression the key of the whole equation."""
    items: tuple["Reading", ...] = ()
    """Members of a list, in the order written."""
    brackets: str = ""
    """"()", "[)", "{}", ... around a list; "" for a bare one."""
    text: str = ""
    """The cleaned text that was read."""


@lru_cache(maxsize=CACHE)
def read(text: str) -> Reading | None:
    """The reading of an answer; None where nothing is left of it once it is cleaned."""
    cleaned = clean(text[:LONGEST])
    if not cleaned or not any(character.isalnum() or character in "∞\\" for character in cleaned):
        return None
    return replace(_read(cleaned, tidy(text)), text=cleaned)


LONGEST = 20_000


def _read(text: str, written: str, depth: int = 0) -> Reading:
    value = parse_number(text)
    if value is not None:
        return _number(value)
    if len(text) <= EXPRESSION and depth < 4:
        for way in (_word, _percent, _clock, _ratio, _union, _bracketed, _order, _equation, _either, _list, _measured, _expression):
            reading = way(text, depth)
            if reading is not None:
                return reading
    if looks_like_latex(text) and len(written) <= LATEX:
        return Reading(f"latex:{''.join(written.split())}", "latex")
    return Reading(f"text:{fold(text)}", "text")


def _inner(text: str, depth: int) -> Reading:
    return _read(text.strip(), text.strip(), depth + 1)


def _number(value: Fraction, unit: Unit | None = None) -> Reading:
    return Reading(fingerprint.number_key(value), "number", value, unit)


def _word(text: str, _: int) -> Reading | None:
    infinite = _INFINITY.fullmatch(text)
    if infinite:
        return Reading(f"constant:{infinite[1].replace('+', '')}inf", "expression")
    if re.fullmatch(r"[A-Z]{2}|\\overline\s*\{[A-Z]{2}\}", text):
        return Reading(f"segment:{''.join(sorted(text.strip('}')[-2:]))}", "text")
    value = parse_word(text) if text[0].isalpha() and len(text) < 20 else None
    if value is not None:
        return _number(value)
    return Reading(f"text:{fold(text)}", "text") if text.isalpha() and (len(text) == 1 or len(text) > 6) else None


def _percent(text: str, depth: int) -> Reading | None:
    found = re.fullmatch(r"(.+?)\s*(?:%|percent|per cent|percentage)", text, re.IGNORECASE)
    inner = _inner(found[1], depth) if found else None
    if inner is None or inner.value is None or inner.unit:
        return None
    return Reading(f"percent:{inner.key}", "percent", inner.value)


def _clock(text: str, _: int) -> Reading | None:
    found = _CLOCK.fullmatch(text)
    if not found or int(found[1]) > 24 or int(found[2]) > 59:
        return None
    half = (found[3] or "")[:1].lower()
    return Reading(f"clock:{int(found[1])}:{found[2]}{half}", "clock")


def _ratio(text: str, depth: int) -> Reading | None:
    parts = split_top(text, ":") if ":" in text else re.split(r"\s+to\s+", text)
    if not 2 <= len(parts) <= 6 or not all(parts):
        return None
    values = [_inner(part, depth).value for part in parts]
    if not all(isinstance(value, Fraction) and value > 0 for value in values):
        return None
    whole = [value for value in values if isinstance(value, Fraction)]
    scaled = ":".join(str(value / whole[0]) for value in whole[1:])
    return Reading(f"ratio:{scaled}", "ratio", whole[0] / whole[1] if len(whole) == 2 else None)


def _union(text: str, depth: int) -> Reading | None:
    parts = re.split(r"\\cup\b|(?<=[)\]])\s*U\s*(?=[(\[])", text)
    if len(parts) < 2 or not all(parts):
        return None
    return _gathered([_inner(part, depth) for part in parts], "∪∪")


def _bracketed(text: str, depth: int) -> Reading | None:
    found = bracketed(text)
    if found is None:
        return None
    members = items(found[1]) if found[0] == "{" else [part for part in split_top(found[1], ",;") if part]
    if len(members) < 2 and found[0] != "{" or len(members) > ITEMS or not members:
        return None
    if found[0] == "{" and len(members) == 1 and not text.startswith("\\"):
        return None
    return _gathered([_inner(member, depth) for member in members], found[0] + found[2])


def _gathered(members: list[Reading], brackets: str) -> Reading:
    """A list's key: in order inside ( ) and [ ], without order inside { } and for a bare list."""
    keys = [member.key for member in members]
    if brackets in ("{}", "", "∪∪"):
        keys, shown = sorted(set(keys)), "∪" if brackets == "∪∪" else "{}"
    else:
        shown = brackets
    return Reading(f"list:{shown[0]}{'|'.join(keys)}{shown[-1]}", "list", items=tuple(members), brackets=brackets)


def _order(text: str, depth: int) -> Reading | None:
    """Inequalities; a bounded single variable is the interval of its values."""
    signs = ["≤" if "le" in sign or sign == "<=" else "≥" if "ge" in sign or sign == ">=" else sign for sign in _ORDER.findall(text)]
    sides = [side.strip() for side in _ORDER.split(text)]
    if not signs or len(signs) > 2 or not all(sides):
        return None
    if signs[0] in ">≥":
        sides, signs = sides[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
    if any(sign in ">≥" for sign in signs):
        return None
    ends = [_inner(side, depth) for side in sides]
    middle = 1 if len(sides) == 3 else 0 if label(sides[0]) else 1
    if label(sides[middle]) is None or any(end.kind in ("text", "latex") for at, end in enumerate(ends) if at != middle):
        return Reading("order:" + "<".join(end.key for end in ends) + "".join(signs), "order")
    low = ends[middle - 1].key if middle else "constant:-inf"
    high = ends[middle + 1].key if middle + 1 < len(ends) else "constant:inf"
    left = "(" if not middle or signs[middle - 1] == "<" else "["
    right = ")" if middle + 1 == len(ends) or signs[middle] == "<" else "]"
    return Reading(f"list:{left}{low}|{high}{right}", "order")


def _equation(text: str, depth: int) -> Reading | None:
    exact, *approximate = re.split(r"\\approx\b", text)
    if approximate:
        name = label(exact.strip())
        return replace(_inner(approximate[-1] if name or not exact.strip() else exact, depth), label=name)
    sides = split_top(text, "=")
    if len(sides) < 2 or not all(sides):
        return None
    if len(items(text)) > 1:
        return None
    return _labelled(sides, depth) or _implicit(sides)


def _labelled(sides: list[str], depth: int) -> Reading | None:
    name, value = label(sides[0]), sides[-1]
    if name is None and len(sides) == 2 and label(sides[1]):
        name, value = label(sides[1]), sides[0]
    try:
        parsed = None if name else fingerprint.constant(sides[0])
    except (Unreadable, Undefined):
        parsed = None
    if name is None and parsed is None:
        return None
    inner = _inner(value, depth)
    if name and inner.kind == "expression" and name in _names(value):
        return None
    whole = _implicit([sides[0], value]) if inner.kind == "expression" and name else None
    return replace(inner, label=name, relation=whole.key if whole else None)


def _names(text: str) -> set[str]:
    try:
        return fingerprint.Expression(text).variables
    except (Unreadable, Undefined):
        return set()


def _implicit(sides: list[str]) -> Reading | None:
    try:
        key = fingerprint.equation_key(sides[0], sides[-1]) if len(sides) == 2 else None
    except (Unreadable, Undefined):
        return None
    return Reading(key, "equation", relation=key) if key else None


def _either(text: str, depth: int) -> Reading | None:
    """x ± y is the set of x + y and x - y."""
    if r"\pm" not in text:
        return None
    both = [_inner(re.sub(r"\\pm(?![a-zA-Z])", sign, text), depth) for sign in "+-"]
    return None if any(one.kind in ("text", "latex") for one in both) else _gathered(both, "{}")


def _list(text: str, depth: int) -> Reading | None:
    """A bare list of mathematical members is a set; assignments to different names are a tuple in the order of the names."""
    parts = items(rows_as_list(text))
    if not 2 <= len(parts) <= ITEMS:
        return None
    members = [_inner(part, depth) for part in parts]
    if any(member.kind in ("text", "latex") for member in members):
        return None
    labels = [member.label for member in members]
    if all(labels) and len(set(labels)) == len(labels):
        return _gathered(sorted(members, key=lambda member: str(member.label)), "()")
    return _gathered(members, "")


def _measured(text: str, depth: int) -> Reading | None:
    """A constant with a unit or a scale word: 12 cm, 5√2 m², 60°, 3 million, 13 years."""
    found = _UNIT.fullmatch(text)
    if not found:
        return None
    unit, scale = parse_unit(found[2]), SCALES.get(found[2].lower())
    amount = found[1].strip()
    value = parse_number(amount)
    if value is None and (unit or scale):
        value = _constant(amount)
    if value is None or not (unit or scale):
        return None
    if scale:
        return _number(value * scale) if isinstance(value, Fraction) else None
    return replace(_expression(amount, depth) or _inner(amount, depth), unit=unit)


def _constant(text: str) -> Fraction | float | None:
    try:
        return fingerprint.constant(text)
    except (Unreadable, Undefined):
        return None


def _expression(text: str, _: int) -> Reading | None:
    try:
        key = fingerprint.key(text)
        return Reading(key, "number" if key.startswith("number") else "expression", fingerprint.constant(text))
    except Undefined:
        return Reading(f"text:{fold(text)}", "text")
    except Unreadable:
        return None
