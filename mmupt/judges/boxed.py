"""The judge `boxed`, ours: the answer is read out of the response, and compared with the gold by what it means.

A response without an answer, or cut off, abstains. The rules are those of `mmupt.answers.grade`, which the reward for
gold labels uses too.
"""

from mmupt.answers import grade
from mmupt.judges.contract import Verdict
from mmupt.types import Grade, Problem

VERSION = 1


def verdict_for(benchmark: str) -> Verdict:
    """The same rule for every benchmark."""
    return verdict


def verdict(problem: Problem, response: str, truncated: bool) -> Grade:
    """The verdict on one response."""
    return grade(
        response,
        problem.answer or "",
        answer_type=problem.answer_type,
        choices=problem.choices,
        precision=problem.precision,
        unit=problem.unit,
        truncated=truncated,
    )
