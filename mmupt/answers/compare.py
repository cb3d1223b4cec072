"""A response's reading against the gold's: what a fair judge accepts beyond equal keys, and what it does not.

Accepted: a unit converted (50 cm, 0.5 m) or left out; a percentage as its number or its fraction; rounding to the
precision that the data asks for, or that a decimal gold shows; the right-hand side alone of y = ..; a ratio as its
quotient. Not accepted: another unit, another name on the left (x = 5 for y = 5), another order inside brackets, other
brackets, fewer digits than the gold has.
"""

from fractions import Fraction

from mmupt.answers.numbers import decimals, rounds_to
from mmupt.answers.reading import Reading
from mmupt.answers.units import Unit

_GENERIC = frozenset({"unit", "angle"})


def same(response: Reading, gold: Reading, *, places: int | None = None, ordered: bool = False) -> bool:
    """Whether the response says what the gold says.

    `places`: decimals that the gold is rounded to, None where it is exact. `ordered`: a list counts in the order
    written.
    """
    if _names_differ(response.label, gold.label):
        return False
    if response.items and gold.items:
        return _same_lists(response, gold, places, ordered)
    if response.value is not None and gold.value is not None and response.kind != "ratio" != gold.kind:
        return _same_values(response, gold, places)
    if response.key == gold.key:
        return True
    if response.kind == gold.kind == "clock":
        return _same_clock(response.key, gold.key)
    if response.relation is not None and response.relation in (gold.relation, gold.key):
        return True
    if gold.relation is not None and gold.relation == response.key:
        return True
    return gold.kind == "ratio" and gold.value is not None and response.value == gold.value


def _same_clock(a: str, b: str) -> bool:
    """A time without am or pm is either of the two, where the other one says which."""
    (_, hour_a, rest_a), (_, hour_b, rest_b) = a.split(":"), b.split(":")
    one_is_marked = rest_a.endswith("m") != rest_b.endswith("m")
    return one_is_marked and rest_a.rstrip("m") == rest_b.rstrip("m") and (int(hour_a) - int(hour_b)) % 12 == 0


def _names_differ(a: str | None, b: str | None) -> bool:
    return a is not None and b is not None and max(len(a), len(b)) <= 2 and a != b


def _same_values(response: Reading, gold: Reading, places: int | None) -> bool:
    assert response.value is not None and gold.value is not None
    scale = _conversion(response.unit, gold.unit)
    if scale is None:
        return False
    candidates = [response.value * scale if scale != 1 else response.value]
    if response.kind == "percent" and gold.kind != "percent":
        candidates.append(response.value / 100)
    if gold.kind == "percent" and response.kind != "percent":
        candidates.append(response.value * 100)
    return any(_close(value, gold, response, places) for value in candidates)


def _close(value: Fraction | float, gold: Reading, response: Reading, places: int | None) -> bool:
    target = gold.value
    assert target is not None
    if value == target:
        return True
    if not (isinstance(value, Fraction) and isinstance(target, Fraction)):
        try:
            if abs(float(value) - float(target)) <= 1e-9 * max(abs(float(value)), abs(float(target))):
                return True
        except OverflowError:
            return False
    shown = decimals(gold.text)
    if places is None and shown >= 2 and (not decimals(response.text) or decimals(response.text) >= shown):
        places = shown
    return places is not None and rounds_to(value, target, places)


def _conversion(response: Unit | None, gold: Unit | None) -> Fraction | None:
    """The factor that takes the response's unit to the gold's; None where they measure different things."""
    if response is None or gold is None or response.dimension in _GENERIC or gold.dimension in _GENERIC:
        return Fraction(1)
    return response.factor / gold.factor if response.dimension == gold.dimension else None


def _same_lists(response: Reading, gold: Reading, places: int | None, ordered: bool) -> bool:
    if len(response.items) != len(gold.items):
        return False
    kinds = {response.brackets, gold.brackets}
    if not ordered and (kinds <= {"{}", ""} or kinds == {"∪∪"}):
        return _matched(list(response.items), gold.items, places)
    if response.brackets != gold.brackets and "" not in (response.brackets, gold.brackets):
        return False
    return all(same(a, b, places=places) for a, b in zip(response.items, gold.items, strict=True))


def _matched(response: list[Reading], gold: tuple[Reading, ...], places: int | None) -> bool:
    for wanted in gold:
        at = next((at for at, one in enumerate(response) if same(one, wanted, places=places)), None)
        if at is None:
            return False
        del response[at]
    return True
