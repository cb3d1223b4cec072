"""An expression -> a key that equal expressions share, however they are written.

The key is the expression's value at three fixed points, rounded to nine significant digits (at one point where it has
no variables). Equality of keys is equality of strings, so it is symmetric and transitive by construction.
"""

from collections.abc import Sequence
from fractions import Fraction

from mmupt.answers.arithmetic import Number, UndefinedError
from mmupt.answers.expression import Expression
from mmupt.answers.tokens import UnreadableError

POINTS = 3


def constant(text: str) -> Fraction | float | None:
    """The value of an expression without variables; exact where it is rational. None where it varies or is not real."""
    parsed = Expression(text)
    return None if parsed.variables else _real(_snapped(parsed.value, parsed.peak))


def key(text: str) -> str:
    """The key of an expression. Raises `UnreadableError` or `UndefinedError`."""
    first = Expression(text)
    parsed = [first, *(Expression(text, at) for at in range(1, POINTS if first.variables else 1))]
    return key_of_values([_snapped(each.value, each.peak) for each in parsed])


def key_of_values(values: Sequence[Number]) -> str:
    """The key of an expression with these values: one for a constant, `POINTS` for an expression with variables."""
    if len(values) > 1:
        return "expression:" + ",".join(map(_digits, values))
    value = _snapped(values[0], 0)
    return number_key(value) if isinstance(value, Fraction) else f"constant:{_digits(value)}"


def equation_key(left: str, right: str) -> str:
    """The key of left = right: the difference of the sides, up to a constant factor."""
    try:
        return _equation_key(left, right)
    except OverflowError:
        raise UndefinedError("a side that is too large") from None


def _equation_key(left: str, right: str) -> str:
    gaps = []
    for at in range(POINTS):
        a, b = Expression(left, at), Expression(right, at)
        gaps.append(_snapped(_difference(a.value, b.value), max(a.peak, b.peak, abs(complex(a.value)))))
    if not a.variables | b.variables or gaps[0] == 0:
        raise UnreadableError("no equation in a variable")
    return "equation:" + ",".join(_digits(complex(gap) / complex(gaps[0])) for gap in gaps[1:])


def number_key(value: Fraction) -> str:
    """The key of a plain number."""
    return (
        f"number:{value}" if max(value.numerator.bit_length(), value.denominator.bit_length()) < 4000 else "number:huge"
    )


def _difference(a: Number, b: Number) -> Number:
    return a - b if isinstance(a, Fraction) and isinstance(b, Fraction) else complex(a) - complex(b)


def _snapped(value: Number, peak: float) -> Number:
    """Rounding noise removed: a float that cancelled is 0, and one that is a simple fraction is that fraction."""
    if isinstance(value, Fraction):
        return value
    if abs(value) <= 1e-12 * peak:
        return Fraction(0)
    if abs(value.imag) > 1e-11 * abs(value):
        return value
    if not 1e-6 < abs(value.real) < 1e12:
        return complex(value.real)
    simple = Fraction(value.real).limit_denominator(1000)
    return simple if abs(float(simple) - value.real) <= 1e-12 * abs(value.real) else complex(value.real)


def _real(value: Number) -> Fraction | float | None:
    if isinstance(value, Fraction):
        return value
    return value.real if value.imag == 0 else None


def _digits(value: Number) -> str:
    try:
        number = complex(value)
    except OverflowError:
        raise UndefinedError("a value that is too large") from None
    real = f"{number.real + 0.0:.9g}"
    return real if abs(number.imag) <= 1e-11 * abs(number) else f"{real}{number.imag:+.9g}i"
