"""The ways to read a single value: words, percentages, clock times, ratios, measured numbers, expressions."""

import re
from fractions import Fraction

from mmupt.answers import fingerprint
from mmupt.answers.arithmetic import UndefinedError
from mmupt.answers.numbers import parse_number, parse_word
from mmupt.answers.reading import Inner, Reading, number
from mmupt.answers.structure import split_top
from mmupt.answers.text import fold
from mmupt.answers.tokens import UnreadableError
from mmupt.answers.units import SCALES, known_unit, parse_unit

_SUFFIX = r"(?:°[CFT]?|[A-Za-zμ]|[\u4e00-\u9fff])[A-Za-zμ.\u4e00-\u9fff/ ]{0,40}(?:\s*\^?\{?[23]\}?)?|°[CFT]?"
_MEASURED = re.compile(rf"(.*?(?:\d|\}}|\)|°|\s|(?<=\d)\.))\s*({_SUFFIX})")
_QUANTITY = re.compile(
    r"(.*[^\s*/+\-^({])\s+((?:square |cubic |sq |cu )?[A-Za-z]+\.?(?:\s*\^?\s*(?:\{\s*[23]\s*\}|[23]))?)", re.DOTALL
)
_TURNED = re.compile(r"sin|cos|tan|cot|sec|csc")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::\d\d)?\s*([ap]\.?m\.?)?", re.IGNORECASE)
_PERCENT = re.compile(r"(.+?)\s*(?:%|percent|per cent|percentage)", re.IGNORECASE)
_INFINITY = re.compile(r"([-+]?)\s*(?:\\infty|infinity|inf)\s*", re.IGNORECASE)
_ORDINAL = re.compile(r"(\d{1,6})(?:st|nd|rd|th)", re.IGNORECASE)
_LETTER = re.compile(r"[(\[]?([A-Za-z])[)\]]?[.:]?")
_SEGMENT = re.compile(r"\\overline\s*\{([A-Z]{2})\}|([A-Z]{2})")


def word(text: str, _: Inner) -> Reading | None:
    """Infinity, an ordinal, a number word, the name of a segment (CA is AC), a single letter (B is (B))."""
    infinite = _INFINITY.fullmatch(text)
    if infinite:
        return Reading(f"constant:{infinite[1].replace('+', '')}inf", "expression")
    letter = _LETTER.fullmatch(text)
    if letter:
        return Reading(f"text:{letter[1].lower()}", "text")
    segment = _SEGMENT.fullmatch(text)
    if segment:
        return Reading(f"segment:{''.join(sorted(segment[1] or segment[2]))}", "text")
    ordinal = _ORDINAL.fullmatch(text)
    if ordinal:
        return number(Fraction(ordinal[1]))
    value = parse_word(text) if text[0].isalpha() and len(text) < 20 else None
    return None if value is None else number(value)


def percent(text: str, inner: Inner) -> Reading | None:
    """40 %, 40 percent; kept apart from 40 and from 0.4."""
    found = _PERCENT.fullmatch(text)
    amount = inner(found[1]) if found else None
    if amount is None or amount.value is None or amount.unit or amount.kind not in ("number", "expression"):
        return None
    return Reading(f"percent:{amount.key}", "percent", amount.value)


def clock(text: str, _: Inner) -> Reading | None:
    """A time of day or a duration with two-digit minutes; it is no ratio, unless it meets one ("1:10" and "1 : 10")."""
    found = _CLOCK.fullmatch(text)
    if not found or int(found[1]) > 24 or int(found[2]) > 59:
        return None
    half, hour = (found[3] or "")[:1].lower(), int(found[1])
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    quotient = None if half or not int(found[1]) else f"ratio:{Fraction(int(found[2]), int(found[1]))}"
    return Reading(f"clock:{hour}:{found[2]}{'m' if half else ''}", "clock", relation=quotient)


def ratio(text: str, inner: Inner) -> Reading | None:
    """3:4, 6 : 8, 3 to 4, 1:2:3."""
    parts = split_top(text, ":") if ":" in text else re.split(r"\s+to\s+", text)
    if not 2 <= len(parts) <= 6 or not all(parts):
        return None
    values = [value for part in parts if isinstance(value := inner(part).value, Fraction) and value > 0]
    if len(values) < len(parts):
        return None
    scaled = ":".join(str(value / values[0]) for value in values[1:])
    return Reading(f"ratio:{scaled}", "ratio", values[0] / values[1] if len(values) == 2 else None)


def measured(text: str, inner: Inner) -> Reading | None:
    """A constant with a unit or a scale word: 12 cm, 5√2 m², 60°, 3 million, 13 years."""
    found = _MEASURED.fullmatch(text)
    if not found or (found[2][0] == "°" and _TURNED.search(found[1])):
        return None
    unit, scale, amount = parse_unit(found[2]), SCALES.get(found[2].lower()), found[1].strip()
    if not (unit or scale) or not amount:
        return None
    exact = parse_number(amount)
    if exact is not None:
        return number(exact * scale) if scale else number(exact, unit)
    read = expression(amount, inner)
    if read is None or read.value is None or scale:
        return None
    return Reading(read.key, read.kind, read.value, unit)


def quantity(text: str, inner: Inner) -> Reading | None:
    """An expression with variables, and a unit after a space: 12x² + 5x cm³, 3πx litres.

    One letter alone is a variable (2x m² is a product), unless it has a power, follows a number, and stands nowhere
    else: 12x² + 5 m³.
    """
    found = _QUANTITY.fullmatch(text)
    unit = known_unit(found[2]) if found else None
    if found is None or unit is None:
        return None
    letters = [letter for letter in found[2] if letter.isalpha()]
    if len(letters) == 1 and (found[2][-1] not in "23}" or letters[0] in found[1] or not found[1][-1].isdigit()):
        return None
    read = expression(found[1], inner)
    return None if read is None or read.kind != "expression" else Reading(read.key, read.kind, read.value, unit)


def expression(text: str, _: Inner) -> Reading | None:
    """Anything that the expression reader evaluates; one without a finite value is compared as text."""
    try:
        key = fingerprint.key(text)
        return Reading(key, "number" if key.startswith("number") else "expression", fingerprint.constant(text))
    except UndefinedError:
        return Reading(f"text:{fold(text)}", "text")
    except UnreadableError:
        return None
