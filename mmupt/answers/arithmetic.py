"""Arithmetic that is exact while it is small.

Fraction in, Fraction out, else complex floating point. Every cost is bounded.
"""

import cmath
from collections.abc import Callable
from fractions import Fraction
from math import isqrt

from mmupt.answers.limits import BITS

Number = Fraction | complex


class UndefinedError(ArithmeticError):
    """An expression without a finite value."""


def add(a: Number, b: Number) -> Number:
    """a + b."""
    return _bounded(a + b) if isinstance(a, Fraction) and isinstance(b, Fraction) else _finite(lambda: _c(a) + _c(b))


def multiply(a: Number, b: Number) -> Number:
    """a * b."""
    return _bounded(a * b) if isinstance(a, Fraction) and isinstance(b, Fraction) else _finite(lambda: _c(a) * _c(b))


def divide(a: Number, b: Number) -> Number:
    """a / b; dividing by zero is `UndefinedError`."""
    if b == 0:
        raise UndefinedError("a division by zero")
    return _bounded(a / b) if isinstance(a, Fraction) and isinstance(b, Fraction) else _finite(lambda: _c(a) / _c(b))


def power(base: Number, exponent: Number) -> Number:
    """base ** exponent; exact for whole exponents of moderate size and for exact square roots."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if base == 0 and exponent <= 0:
            raise UndefinedError("a power of zero")
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator == 1 and abs(exponent) * size <= BITS:
            return base ** int(exponent)
        if exponent == Fraction(1, 2):
            return root(base, Fraction(2))
    return _finite(lambda: _c(base) ** _c(exponent))


def root(value: Number, degree: Number) -> Number:
    """The principal root; exact for squares of fractions, real for odd roots of negative numbers."""
    if degree == 0:
        raise UndefinedError("a zeroth root")
    if isinstance(value, Fraction) and degree == 2 and value >= 0:
        top, bottom = isqrt(value.numerator), isqrt(value.denominator)
        if top * top == value.numerator and bottom * bottom == value.denominator:
            return Fraction(top, bottom)
    if isinstance(value, Fraction) and value < 0 and isinstance(degree, Fraction) and degree.numerator % 2 == 1:
        return _finite(lambda: -(_c(-value) ** (1 / _c(degree))))
    return _finite(lambda: _c(value) ** (1 / _c(degree)))


def apply(name: str, value: Number, base: Number | None, unknown_base: Number) -> Number:
    """An elementary function.

    A logarithm without a base is some fixed unknown multiple of ln: 2 log 10 = log 100, and log 2 is not ln 2.
    """
    if name in ("log", "lg"):
        divisor = unknown_base if base is None and name == "log" else Fraction(10) if base is None else base
        scale = divisor if base is None and name == "log" else _finite(lambda: cmath.log(_c(divisor)))
        return divide(_finite(lambda: cmath.log(_c(value))), scale)
    if name == "abs":
        return abs(value) if isinstance(value, Fraction) else complex(abs(value))
    return _finite(lambda: _ELEMENTARY[name](_c(value)))


_ELEMENTARY: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "cot": lambda z: 1 / cmath.tan(z),
    "sec": lambda z: 1 / cmath.cos(z), "csc": lambda z: 1 / cmath.sin(z), "arcsin": cmath.asin, "asin": cmath.asin,
    "arccos": cmath.acos, "acos": cmath.acos, "arctan": cmath.atan, "atan": cmath.atan, "sinh": cmath.sinh,
    "cosh": cmath.cosh, "tanh": cmath.tanh, "exp": cmath.exp, "ln": cmath.log,
}  # fmt: skip


def _c(value: Number) -> complex:
    return complex(value)


def _bounded(value: Fraction) -> Number:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) <= BITS:
        return value
    return _finite(lambda: complex(value))


def _finite(compute: Callable[[], complex]) -> complex:
    try:
        value = compute()
    except (ArithmeticError, ValueError) as error:
        raise UndefinedError(str(error)) from None
    if not cmath.isfinite(value) or abs(value) > 1e200:
        raise UndefinedError("a value that is not finite")
    return value
