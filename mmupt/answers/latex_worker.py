"""The process that math-verify and sympy live in. `mmupt.answers.latex` starts it and speaks JSON lines with it.

A host imports sympy once, then forks a child that does the work; a child that spends more than its CPU or memory, or
crashes, is replaced by a fresh fork in milliseconds. Only math-verify's LaTeX grammar is used: its other extractor,
like sympy's `parse_expr`, evaluates text as Python.
"""

import json
import os
import resource
import select
import signal
import sys
from contextlib import suppress
from fractions import Fraction
from types import ModuleType
from typing import BinaryIO

from mmupt.answers.arithmetic import Number
from mmupt.answers.expression import point
from mmupt.answers.fingerprint import POINTS, key_of_values

CPU_SECONDS = 0.3
"""Processor time for one request; a child that spends more is killed by the kernel, whatever it is doing."""
WALL_SECONDS = 5.0
"""The host's patience with a child that is not scheduled."""
MEMORY = 1 << 30
"""Address space of a child, in bytes."""


def main() -> None:
    """Answer requests from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    key(r"\int_0^1 x^2 dx")
    child: _Child | None = None
    for request in sys.stdin.buffer:
        child = child or _Child()
        reply = child.ask(request)
        if reply is None:
            child.end()
            child, reply = None, b"null\n"
        sys.stdout.buffer.write(reply)
        sys.stdout.buffer.flush()


class _Child:
    """A fork of the host that answers one request after another."""

    def __init__(self) -> None:
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._in)
            os.close(self._out)
            _work(os.fdopen(their_in, "rb"), os.fdopen(their_out, "wb"))
            os._exit(0)
        os.close(their_in)
        os.close(their_out)

    def ask(self, request: bytes) -> bytes | None:
        """The reply, or None where the child died or said nothing in time."""
        reply = b""
        try:
            os.write(self._out, request)
            while not reply.endswith(b"\n"):
                if not select.select([self._in], [], [], WALL_SECONDS)[0]:
                    return None
                piece = os.read(self._in, 65536)
                if not piece:
                    return None
                reply += piece
        except OSError:
            return None
        return reply

    def end(self) -> None:
        """Kill and bury it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._in)
        os.close(self._out)


def _work(requests: BinaryIO, replies: BinaryIO) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for request in requests:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        # math-verify's time-out class, like MemoryError's kin in C code, is no Exception: everything is caught.
        try:
            reply: str | bool | None = _answer(json.loads(request))
        except BaseException:
            reply = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


def _answer(texts: list[str]) -> str | bool | None:
    return key(texts[0]) if len(texts) == 1 else verify(texts[0], texts[1])


def verify(gold: str, answer: str) -> bool:
    """math-verify's verdict on two LaTeX texts, in both directions (it is not symmetric)."""
    from math_verify import verify as judge

    a, b = _parsed(gold), _parsed(answer)
    return bool(a and b and judge(a, b, timeout_seconds=None) and judge(b, a, timeout_seconds=None))


def key(text: str) -> str | None:
    """The key of a LaTeX text, in the notation of `fingerprint` where it has a value; None where it is not parsed."""
    import sympy

    parsed = _parsed(text)
    return _key(parsed[0], sympy) if parsed else None


def _parsed(text: str) -> list[object]:
    from math_verify import LatexExtractionConfig, parse

    found = parse(f"${text}$", [LatexExtractionConfig()], fallback_mode="no_fallback", parsing_timeout=None)
    return [one for one in found if not isinstance(one, str)]


def _key(parsed: object, sympy: ModuleType) -> str:
    if isinstance(parsed, sympy.MatrixBase):
        entries = [_key(entry, sympy) for entry in parsed]
        return f"matrix:{parsed.rows}x{parsed.cols}:{'|'.join(entries)}"
    if isinstance(parsed, sympy.Expr):
        value = parsed.doit()
        names = sorted(value.free_symbols, key=str)
        values = [_value(value, names, at, sympy) for at in range(POINTS if names else 1)]
        return key_of_values(values)
    return f"sympy:{sympy.srepr(parsed)}"


def _value(expression: object, names: list[object], at: int, sympy: ModuleType) -> Number:
    places = {name: _rational(point(str(name).replace("{", "").replace("}", ""), at), sympy) for name in names}
    value = expression.subs(places)  # type: ignore[attr-defined]
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    return complex(sympy.N(value, 20))


def _rational(value: Fraction, sympy: ModuleType) -> object:
    return sympy.Rational(value.numerator, value.denominator)
