"""An expression -> its value, by one bounded recursive descent over its tokens. Nothing is ever evaluated as code.

Variables take fixed rational values, derived from their names by sha256, so that equal expressions have equal values
(Schwartz-Zippel) however they are written. Arithmetic is exact (Fraction) as long as the expression is rational and
small, and complex floating point otherwise. `UnreadableError`: the text is no expression of this small language.
`UndefinedError`: it is one, but has no finite value (1/0, 9^9^9^9).
"""

import cmath
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from math import comb, factorial, inf

from mmupt.answers.arithmetic import Number, UndefinedError, add, apply, divide, multiply, power, root
from mmupt.answers.limits import DEPTH, EXPRESSION
from mmupt.answers.tokens import GREEK, UnreadableError, tokens

_CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|"}
_TRIGONOMETRIC = frozenset({"\\sin", "\\cos", "\\tan", "\\cot", "\\sec", "\\csc"})
_FUNCTIONS = _TRIGONOMETRIC | frozenset(
    f"\\{name}"
    for name in [
        "arcsin",
        "arccos",
        "arctan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "exp",
        "ln",
        "log",
        "lg",
        "abs",
    ]
)
_VARIABLES = frozenset(f"\\{name}" for name in GREEK)


class Expression:
    """One parsed reading of a text at one point. `value` is its value; `variables` the names that it met."""

    def __init__(self, text: str, at: int = 0) -> None:
        if len(text) > EXPRESSION:
            raise UnreadableError("too long")
        self._tokens = tokens(text)
        if any(_two_numbers(a, b) for a, b in pairwise(self._tokens)) or not self._tokens:
            raise UnreadableError("two numbers in a row, or nothing")
        self._at = 0
        self._depth = 0
        self._degrees = False
        self._point = at
        self.variables: set[str] = set()
        self.peak = 0.0
        try:
            self.value = self._sum()
        except OverflowError:  # only floats overflow
            raise UndefinedError("a number too large for a float") from None
        if self._at != len(self._tokens):
            raise UnreadableError(self._tokens[self._at])
        if self.peak == inf and not isinstance(self.value, Fraction):
            raise UndefinedError("a float that comes of numbers too large for one")

    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *wanted: str) -> str | None:
        token = self._next()
        if token is None or (wanted and token not in wanted):
            return None
        self._at += 1
        return token

    def _seen(self, value: Number) -> Number:
        try:
            self.peak = max(self.peak, abs(complex(value)))
        except OverflowError:  # a whole number may have 2,000 bits, a float holds 1,024
            self.peak = inf
        return value

    def _sum(self) -> Number:
        self._depth += 1
        if self._depth > DEPTH:
            raise UnreadableError("too deep")
        total = self._product()
        while (sign := self._take("+", "-")) is not None:
            term = self._product()
            total = self._seen(add(total, term if sign == "+" else multiply(Fraction(-1), term)))
        self._depth -= 1
        return total

    def _product(self) -> Number:
        result = self._signed()
        while True:
            if self._take("*"):
                result = self._seen(multiply(result, self._signed()))
            elif self._take("/"):
                result = self._seen(divide(result, self._signed()))
            elif self._starts_factor():
                result = self._seen(multiply(result, self._power()))
            else:
                return result

    def _starts_factor(self) -> bool:
        token = self._next()
        if token is None or token in "+-*/^_!)]}°":
            return False
        return token != "|" or "|" not in self._tokens[: self._at] or self._bars_are_even()

    def _bars_are_even(self) -> bool:
        return self._tokens[: self._at].count("|") % 2 == 0

    def _signed(self) -> Number:
        negative = False
        while (sign := self._take("+", "-")) is not None:
            negative ^= sign == "-"
        value = self._power()
        return multiply(Fraction(-1), value) if negative else value

    def _power(self) -> Number:
        base = self._postfix(self._atom())
        if not self._take("^"):
            return base
        return self._postfix(self._seen(power(base, self._exponent())))

    def _exponent(self) -> Number:
        self._depth += 1
        if self._depth > DEPTH:
            raise UnreadableError("too deep")
        negative = self._take("-") is not None
        value = self._power()
        self._depth -= 1
        return multiply(Fraction(-1), value) if negative else value

    def _postfix(self, value: Number) -> Number:
        while (mark := self._take("!", "°")) is not None:
            if mark == "!":
                if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= 25:
                    raise UndefinedError("a factorial of that")
                value = Fraction(factorial(int(value)))
            elif self._degrees:
                value = complex(value) * cmath.pi / 180
        return value

    def _atom(self) -> Number:
        token = self._take()
        if token is None or token in "+*/^_!)]}°":
            raise UnreadableError("an operand is missing")
        if token in _CLOSING:
            return self._group(token)
        if token[0].isdigit() or token[0] == ".":
            return self._mixed(Fraction(token))
        if token == "\\frac":
            return divide(self._argument(), self._argument())
        if token == "\\binom":
            return _binomial(self._argument(), self._argument())
        if token == "\\sqrt":
            return self._root()
        if token == "\\pi":
            return complex(cmath.pi)
        if token in _FUNCTIONS:
            return self._function(token)
        if token == "e":
            return complex(cmath.e)
        if token == "i":
            return 1j
        return self._variable(token)

    def _mixed(self, whole: Fraction) -> Number:
        """`2\\frac{1}{2}` is two and a half; `2\\frac{x}{2}` stays a product."""
        if self._next() != "\\frac" or whole.denominator != 1:
            return whole
        start = self._at
        self._at += 1
        plain = self._tokens[self._at : self._at + 6]
        top, bottom = self._argument(), self._argument()
        digits = all(token.isdigit() or token in "{}" for token in plain[: self._at - start - 1])
        if digits and isinstance(top, Fraction) and isinstance(bottom, Fraction) and 0 < top < bottom:
            return add(whole, divide(top, bottom))
        self._at = start
        return whole

    def _group(self, opening: str) -> Number:
        value = self._sum()
        if not self._take(_CLOSING[opening]):
            raise UnreadableError(f"no closing {_CLOSING[opening]}")
        return self._magnitude(value) if opening == "|" else value

    def _magnitude(self, value: Number) -> Number:
        """|u| keeps a mark of its own when u varies, because at the points of evaluation |x| and x are one number."""
        size = abs(value) if isinstance(value, Fraction) else complex(abs(value))
        return multiply(size, point("|", self._point)) if self.variables else size

    def _argument(self) -> Number:
        """What TeX takes as one argument: a group, a command, or a single character."""
        if self._take("{"):
            return self._group("{")
        token = self._next()
        if token is not None and token.isdigit() and len(token) > 1:
            self._tokens[self._at] = token[1:]
            return Fraction(token[0])
        return self._atom()

    def _root(self) -> Number:
        degree: Number = Fraction(2)
        if self._take("["):
            degree = self._group("[")
        return self._seen(root(self._group("{") if self._take("{") else self._atom(), degree))

    def _function(self, name: str) -> Number:
        base: Number | None = None
        exponent: Number = Fraction(1)
        if name == "\\log" and self._take("_"):
            base = self._argument()
        if self._take("^"):
            exponent = self._exponent()
        outer, self._degrees = self._degrees, name in _TRIGONOMETRIC
        value = self._function_argument()
        self._degrees = outer
        unknown_base = point("log", 0)
        return power(self._seen(apply(name[1:], value, base, unknown_base)), exponent)

    def _function_argument(self) -> Number:
        if self._next() in ("(", "{", "[", "|"):
            return self._postfix(self._atom())
        value = self._signed()
        while self._starts_factor() and self._next() not in _FUNCTIONS:
            value = multiply(value, self._power())
        return value

    def _variable(self, name: str) -> Number:
        if not (name in _VARIABLES or (len(name) == 1 and name.isalpha())):
            raise UnreadableError(name)
        if self._take("_"):
            start = self._at
            if self._take("{"):
                while self._take(*[token for token in [self._next()] if token is not None and token.isalnum()]):
                    if self._next() == "}":
                        break
                self._take("}")
            else:
                self._take()
            name += "_" + "".join(self._tokens[start : self._at]).strip("{}")
        self.variables.add(name)
        return self._seen(point(name, self._point))


def _two_numbers(left: str, right: str) -> bool:
    return right[0] in ".0123456789" and (left[0] in ".0123456789" or left in ("!", "°"))


def point(name: str, at: int) -> Fraction:
    """The value of a variable at a point: fixed, between 0.3 and 2.3."""
    drawn = int.from_bytes(sha256(f"{name}:{at}".encode()).digest()[:4], "big")
    return Fraction(300 + drawn % 2003, 1009)


def _binomial(n: Number, k: Number) -> Number:
    if (
        isinstance(n, Fraction)
        and isinstance(k, Fraction)
        and n.denominator == k.denominator == 1
        and 0 <= k <= n <= 200
    ):
        return Fraction(comb(int(n), int(k)))
    raise UndefinedError("a binomial of that")
