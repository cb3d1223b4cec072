"""Hostile responses to the benchmarks' official scorers: wrong, soon, in bounded memory, with nothing evaluated."""

import gc
import resource
import time

import pytest

from mmupt import benchmarks, registry
from mmupt.benchmarks import find, official_of
from mmupt.types import Problem
from tests.unit.test_answers_bounds import HOSTILE

MORE = {
    "a long word": "x" * 3_000_000,
    "many spaces": " " * 3_000_000,
    "many equals signs": "=" * 1_000_000,
    "many open brackets": "(" * 100_000 + "5" + ")" * 100_000,
    "many answers": "Answer: is " * 100_000,
    "digits beyond the limit of int": "9" * 5_000,
    "an infinity": "inf",
    "no number": "nan",
}
CHOICES = ("12 cm", "14 cm", "150")
ASKED = (
    Problem("letter", "?", choices=CHOICES, answer="C", answer_type="letter"),
    Problem("text", "?", choices=CHOICES, answer="150", answer_type="text", meta={"question_type": "multi_choice"}),
    *(
        Problem(kind, "?", answer=gold, answer_type=kind, precision=2, meta={"answer_type": kind})
        for kind, gold in {"integer": "5", "float": "5.12", "list": "[5, 5]"}.items()
    ),
)


@pytest.mark.parametrize("name", sorted(set(registry.names(benchmarks.__name__, "official")) & set(benchmarks.names())))
def test_a_hostile_response_is_judged_in_time_by_the_official_scorer(name: str) -> None:
    official = official_of(find(name), name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.freeze()  # looking through what the tests before have left can take a second
    for problem in ASKED:
        for text in (HOSTILE | MORE).values():
            for response in (text, f"\\boxed{{{text}}}"):
                start = time.thread_time()
                verdict = official(problem, response)
                assert time.thread_time() - start < 1.0
                assert problem.choices or not verdict.correct
    gc.unfreeze()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
