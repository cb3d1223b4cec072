"""The rule of MathVista's own scorer (its evaluation/calculate_score.py), told anew.

The extracted answer is put into the form of the gold, and then has to be the same string:

    multi_choice   "(b)" or a letter in range is that choice; anything else, an empty answer too, is the choice with
                   the smallest edit distance, the first of several
    integer        the whole part of the number: 5.9 is 5
    float          rounded to the question's decimals; without decimals nothing is right
    list, text     as it stands

The older rule, which the authors' published score files were made with, read an integer with `int(text)` only.
"""

import re
from collections.abc import Sequence

from mmupt.answers.choices import LETTERS
from mmupt.answers.limits import TEXT
from mmupt.benchmarks.edit_distance import edit_distance
from mmupt.types import Grade

_LETTER = re.compile(r"\(([a-zA-Z])\)")


def judged(
    extraction: str,
    gold: str,
    *,
    question_type: str,
    answer_type: str,
    choices: Sequence[str],
    precision: int | None,
) -> Grade:
    """The verdict on an extracted answer. The bound on its length is ours: nobody extracts a book."""
    if len(extraction) > TEXT:
        return Grade(False, None, f"longer than {TEXT} characters")
    if question_type == "multi_choice":
        answer = _choice(extraction.strip(), choices)
    else:
        answer = _value(extraction, answer_type, precision)
    if answer is None:
        return Grade(False, None, "no choices to take" if question_type == "multi_choice" else f"no {answer_type}")
    right = answer == gold
    return Grade(right, answer, "the same string as the gold" if right else "another string than the gold")


def _choice(extraction: str, choices: Sequence[str]) -> str | None:
    if not choices:
        return None
    bracketed = _LETTER.search(extraction)
    said = bracketed[1].upper() if bracketed else extraction
    if len(said) == 1 and said in LETTERS[: len(choices)]:
        return choices[LETTERS.index(said)]
    return min(choices, key=lambda choice: edit_distance(said, choice))


def _value(extraction: str, answer_type: str, precision: int | None) -> str | None:
    try:
        if answer_type == "integer":
            return str(int(float(extraction)))
        if answer_type == "float":
            return None if precision is None else str(round(float(extraction), precision))
    except (ValueError, OverflowError):
        return None
    return extraction
