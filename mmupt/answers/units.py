"""Units: how they are written, what they measure, and how they convert.

A unit is (dimension, factor to the dimension's base unit). A word that is not in the table is a unit of its own
("apples"), which is kept as written and converts to nothing.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

_LENGTH = {
    "nm": "1/1000000000", "μm": "1/1000000", "mm": "1/1000", "cm": "1/100", "dm": "1/10", "m": "1", "km": "1000",
    "in": "127/5000", "inch": "127/5000", "inches": "127/5000", "ft": "381/1250", "foot": "381/1250",
    "feet": "381/1250",
    "yd": "1143/1250", "yard": "1143/1250", "mi": "201168/125", "mile": "201168/125",
    "millimeter": "1/1000", "centimeter": "1/100", "meter": "1", "kilometer": "1000", "millimetre": "1/1000",
    "centimetre": "1/100", "metre": "1", "kilometre": "1000", "厘米": "1/100", "米": "1", "千米": "1000",
    "毫米": "1/1000",
}  # fmt: skip
_OTHER: dict[str, dict[str, str]] = {
    "mass": {"mg": "1/1000", "g": "1", "gram": "1", "kg": "1000", "kilogram": "1000", "lb": "45359237/100000",
             "pound": "45359237/100000", "oz": "45359237/1600000", "ounce": "45359237/1600000", "ton": "1000000",
             "tonne": "1000000", "克": "1", "千克": "1000"},
    "time": {"ms": "1/1000", "s": "1", "sec": "1", "second": "1", "min": "60", "minute": "60", "h": "3600",
             "hr": "3600", "hour": "3600", "day": "86400", "week": "604800", "秒": "1", "分钟": "60", "小时": "3600"},
    "years": {"month": "1/12", "year": "1", "yr": "1", "decade": "10", "century": "100", "年": "1", "岁": "1"},
    "volume": {"ml": "1/1000", "mL": "1/1000", "l": "1", "L": "1", "liter": "1", "litre": "1",
               "gallon": "3785411784/1000000000"},
    "angle": {"°": "1", "deg": "1", "degree": "1", "°T": "1", "度": "1"},
    "temperature C": {"°C": "1"},
    "temperature F": {"°F": "1"},
    "money": {"dollar": "1", "usd": "1", "USD": "1", "cent": "1/100", "元": "1"},
    "length/time": {"m/s": "1", "km/h": "5/18", "mph": "1397/3125"},
    "force": {"N": "1", "newton": "1"},
    "energy": {"J": "1", "joule": "1", "kJ": "1000"},
    "power": {"W": "1", "watt": "1", "kW": "1000"},
    "potential": {"V": "1", "volt": "1"},
    "temperature K": {"K": "1"},
    "unit": {"unit": "1", "sq unit": "1", "square unit": "1", "cubic unit": "1", "单位": "1"},
}  # fmt: skip
_POWERS = {"square ": 2, "sq ": 2, "sq. ": 2, "平方": 2, "cubic ": 3, "cu ": 3, "立方": 3}
_PER = re.compile(r"\s*/\s*|\s+per\s+")
_EXPONENT = re.compile(r"\s*\^?\s*\{?\s*([23])\s*\}?$")

_TURNING_WORDS = "am pm a.m p.m north south east west n e w left right and or to of th st nd rd bc ad bce ce"
NOT_UNITS = frozenset(_TURNING_WORDS.split())
"""Words after a number that change what it says instead of measuring it."""
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000, "dozen": 12, "万": 10_000}


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number measures."""

    dimension: str
    """Name of the dimension; for a word that is not in the table, the word itself."""
    factor: Fraction = Fraction(1)
    """Value of one unit in the dimension's base unit."""


def parse_unit(text: str) -> Unit | None:
    """The unit that `text` names, or None where it does not read as a unit."""
    name = " ".join(text.replace("{", "").replace("}", "").split()) if "^" not in text else text.strip()
    known = known_unit(name)
    if known is not None:
        return known
    words = name.lower().split()
    wordlike = all(re.fullmatch(r"[a-z]{3,20}|[\u4e00-\u9fff]{1,8}", word) for word in words)
    if not words or len(words) > 3 or not wordlike or NOT_UNITS.intersection(words) or SCALES.keys() & set(words):
        return None
    return Unit(" ".join(_singular(word) for word in words))


def known_unit(name: str) -> Unit | None:
    """The unit of that name in the table, a power of a length there, or a rate of two (km / h, dollars per day)."""
    rate = _PER.split(name.strip())
    if len(rate) == 2 and max(map(len, rate)) == 1:
        name = "/".join(rate)  # two letters are a rate only where the table has it: 2h/m is an expression
    elif len(rate) == 2 and (top := known_unit(rate[0])) and (bottom := known_unit(rate[1])):
        return Unit(f"{top.dimension}/{bottom.dimension}", top.factor / bottom.factor)
    power = _EXPONENT.search(name)
    if power:
        return _raised(_LENGTH.get(_spelled(name[: power.start()], _LENGTH)), int(power[1]))
    for prefix, exponent in _POWERS.items():
        if name.lower().startswith(prefix):
            rest = name[len(prefix) :].strip()
            length = _raised(_LENGTH.get(_spelled(rest, _LENGTH)), exponent)
            if length is not None:
                return length
    for dimension, table in (("length", _LENGTH), *_OTHER.items()):
        spelled = _spelled(name, table)
        if spelled in table:
            return Unit(dimension, Fraction(table[spelled]))
    return None


def _raised(factor: str | None, exponent: int) -> Unit | None:
    return None if factor is None else Unit(f"length^{exponent}", Fraction(factor) ** exponent)


def _spelled(name: str, table: dict[str, str]) -> str:
    """The table's own spelling: as it stands, or lower-case, or without a plural s."""
    name = name.strip().rstrip(".")
    lower = name.lower() if len(name) > 2 else name
    return next((form for form in (name, lower, _singular(lower)) if form in table), name)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
