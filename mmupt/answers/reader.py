"""An answer's text -> its reading. The ways to write one thing are tried from the plain to the odd.

What no way reads is LaTeX, for which math-verify's worker may know a key, or text. Reading never raises, and its cost
is bounded by `mmupt.answers.limits`; the key of a reading is a function of the text alone.
"""

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from mmupt.answers import lists, relations, scalars
from mmupt.answers.clean import BROKEN, clean, tidy
from mmupt.answers.latex import latex_key
from mmupt.answers.limits import CACHE, EXPRESSION, LATEX, TEXT
from mmupt.answers.numbers import parse_number
from mmupt.answers.reading import Reading, Way, number
from mmupt.answers.text import fold, looks_like_latex

WAYS: tuple[Way, ...] = (
    scalars.word,
    scalars.percent,
    scalars.clock,
    scalars.ratio,
    lists.union,
    lists.within_brackets,
    relations.order,
    relations.equation,
    lists.plus_or_minus,
    lists.bare,
    scalars.measured,
    scalars.quantity,
    scalars.expression,
)
LEVELS = 4
"""Levels of parts within parts; below them everything is text."""

_ABOUT = re.compile(r"(?:approximately|approx\.?|about|around|roughly|\\sim)\s*(?=[-\d.\\])", re.IGNORECASE)
_NOTHING = re.compile(r"[\s.,;:_?!{}()\[\]$\\*`'\"\-&#|/]*")


@lru_cache(maxsize=CACHE)
def read(text: str) -> Reading | None:
    """The reading of an answer; None where nothing is left of it once it is cleaned."""
    if BROKEN.search(text):
        return None
    cleaned = clean(text[:TEXT])
    about = _ABOUT.match(cleaned)
    if about:
        cleaned = cleaned[about.end() :]
    if _NOTHING.fullmatch(cleaned):
        return None
    return replace(_read(cleaned, tidy(text[:TEXT])), text=cleaned)


def _read(text: str, written: str, level: int = 0) -> Reading:
    value = parse_number(text)
    if value is not None:
        return number(value)
    if text and len(text) <= EXPRESSION and level < LEVELS:
        for way in WAYS:
            reading = way(text, lambda part: _read(part.strip(), part.strip(), level + 1))
            if reading is not None:
                return reading
    if looks_like_latex(text) and len(written) <= LATEX:
        return _latex(written, level)
    return Reading(f"text:{fold(text)}", "text")


def _latex(written: str, level: int) -> Reading:
    """Only a whole answer is shown to the worker, so that one answer costs at most one request."""
    key = latex_key(written) if level == 0 else None
    if key is None:
        return Reading(f"latex:{''.join(written.split())}", "latex")
    kind, _, value = key.partition(":")
    if kind == "number" and value != "huge":
        return number(Fraction(value))
    return Reading(key, "expression" if kind in ("constant", "expression") else "latex")
