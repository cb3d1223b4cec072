"""A response and the gold answer -> a verdict with its reason. The one judge of mmupt; it never raises on a response.

With choices, the response must name the gold's choice. Without, the readings are compared (`mmupt.answers.compare`),
and where one of them is LaTeX that nothing here reads, math-verify decides in a bounded worker.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from mmupt.answers.choices import gold_letter, letter_form, letter_of, letters_form, same_choice
from mmupt.answers.clean import tidy
from mmupt.answers.compare import same
from mmupt.answers.extract import extract
from mmupt.answers.latex import verified
from mmupt.answers.numbers import decimals
from mmupt.answers.reader import read
from mmupt.answers.reading import Reading
from mmupt.answers.units import parse_unit
from mmupt.types import Grade

_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


def grade(
    response: str,
    gold: str,
    *,
    answer_type: str | None = None,
    choices: Sequence[str] | None = None,
    precision: float | None = None,
    unit: str | None = None,
    truncated: bool = False,
) -> Grade:
    """The verdict on one response."""
    options = () if choices is None else tuple(choices)
    answer = extract(response, truncated=truncated, choices=options)
    if answer.text is None:
        return Grade(False, None, answer.reason)
    return grade_answer(answer.text, gold, answer_type=answer_type, choices=options, precision=precision, unit=unit)


def grade_answer(
    answer: str,
    gold: str,
    *,
    answer_type: str | None = None,
    choices: Sequence[str] = (),
    precision: float | None = None,
    unit: str | None = None,
) -> Grade:
    """The verdict on an answer that was already extracted."""
    wanted = gold_letter(gold, choices, answer_type) if choices else None
    if wanted is not None:
        chosen = letter_of(answer, choices)
        reason = f"chose {chosen}, gold {wanted}" if chosen else f"names no choice, gold {wanted}"
        return Grade(same_choice(chosen, wanted, choices), answer, reason)
    several = letters_form(gold, len(choices))
    if several:
        right = letters_form(answer, len(choices)) == several
        return Grade(right, answer, f"{'the' if right else 'not the'} choices {', '.join(sorted(several))}")
    said, meant = read(answer), read(gold)
    if (
        said
        and meant
        and isinstance(meant.value, Fraction)
        and meant.value.denominator > 1
        and _DECIMAL_COMMA.fullmatch(answer)
    ):
        said = read(answer.replace(",", "."))
    if said is None or meant is None:
        return Grade(False, answer, "nothing to compare")
    if re.fullmatch(r"\(?[A-Z]\)?", gold.strip()) and letter_form(gold) == letter_form(answer):
        return Grade(True, answer, "the same letter")
    if unit and meant.unit is None and meant.kind == "number":
        meant = replace(meant, unit=parse_unit(unit))
    correct = same(said, meant, places=_places(answer_type, precision, meant), ordered=answer_type == "list")
    if not correct and "latex" in (said.kind, meant.kind) and "text" not in (said.kind, meant.kind):
        correct = verified(tidy(gold), tidy(answer))
    return Grade(correct, answer, f"{'equal' if correct else 'not equal'} as {said.kind} and {meant.kind}")


def _places(answer_type: str | None, precision: float | None, gold: Reading) -> int | None:
    """Decimals that the gold is rounded to.

    As the data says (a whole float from the hub too), or as a float gold shows.
    """
    if answer_type == "integer":
        return None
    if precision is not None and math.isfinite(precision) and 0 <= precision <= 15:
        return int(precision)
    return decimals(gold.text) if answer_type == "float" else None
