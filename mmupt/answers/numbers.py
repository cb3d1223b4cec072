"""Plain numbers, exactly: digits with separators, fractions, mixed numbers, scientific notation, number words."""

import re
from fractions import Fraction

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(rf"([-+]?)\s*({_DIGITS})(?:\s*(?:[eE]|\*\s*10\s*\^)\s*\{{?\s*([-+]?\d{{1,3}})\s*\}}?)?")
_SLASHED = r"(?<=\d)\s+(\d{1,9})\s*/\s*(\d{1,9})"
_STACKED = r"\\frac\s*\{?(\d{1,9}?)\}?\s*\{?(\d{1,9})\}?"
_MIXED = re.compile(rf"([-+]?)\s*(\d{{1,9}})(?:\s*{_STACKED}|{_SLASHED})")
_RECURRING = re.compile(r"([-+]?)\s*(\d{0,9})\.(\d{0,9})(?:\\overline\s*\{?(\d{1,12})\}?|\\dot\s*\{?(\d)\}?)")
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for value, word in enumerate(_ONES.split())}
_TENS = {word: 10 * ten for ten, word in enumerate(_TENS_WORDS.split(), 2)}


def parse_number(text: str) -> Fraction | None:
    """The value of a cleaned text that is one plain number, else None."""
    found = _NUMBER.fullmatch(text)
    if found and len(text) <= 60:
        digits = Fraction(found[2].replace(",", "").replace(" ", "").rstrip(".") or "0")
        value = digits * Fraction(10) ** int(found[3] or 0)
        return -value if found[1] == "-" else value
    if "overline" in text or "dot" in text:
        return _recurring(text)
    return _mixed(text) if " " in text or "\\" in text else None


def parse_word(text: str) -> Fraction | None:
    """The value of a number written as a word ("three", "twenty-one"), else None."""
    word = text.lower()
    if word in _WORDS:
        return Fraction(_WORDS[word])
    ten, _, one = word.replace("-", " ").partition(" ")
    if ten not in _TENS or (one and not 1 <= _WORDS.get(one, 0) <= 9):
        return None
    return Fraction(_TENS[ten] + (_WORDS[one] if one else 0))


def decimals(text: str) -> int:
    """Decimal places that a plain number is written with; 0 for anything else."""
    found = re.search(r"\d\.(\d+)|(?:^|\D)\.(\d+)", text)
    return len(found[1] or found[2]) if found else 0


def rounds_to(value: Fraction | float, target: Fraction | float, places: int) -> bool:
    """Whether `value`, rounded to `places` decimals, is `target` rounded likewise; a half may go either way."""
    unit = Fraction(1, 10**places)
    goal = round(Fraction(target) / unit) * unit
    return abs(Fraction(value) - goal) <= unit / 2


def _recurring(text: str) -> Fraction | None:
    found = _RECURRING.fullmatch(text)
    if not found:
        return None
    plain, block = found[3] or "", found[4] or found[5]
    repeated = Fraction(int(block), 10 ** len(plain) * (10 ** len(block) - 1))
    value = Fraction(f"{found[2] or 0}.{plain or 0}") + repeated
    return -value if found[1] == "-" else value


def _mixed(text: str) -> Fraction | None:
    found = _MIXED.fullmatch(text)
    if not found:
        return None
    top, bottom = int(found[3] or found[5]), int(found[4] or found[6])
    if not 0 < top < bottom:
        return None
    value = int(found[2]) + Fraction(top, bottom)
    return -value if found[1] == "-" else value
