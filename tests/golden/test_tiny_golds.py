"""The embedded benchmark proves itself: every gold answer, given as the response, scores 1."""

from itertools import pairwise

import pytest

from mmupt.answers import grade
from mmupt.benchmarks import find
from mmupt.types import Problem

TINY = find("tiny")


def verdict(problem: Problem, said: str) -> bool:
    known = {"answer_type": problem.answer_type, "choices": problem.choices, "precision": problem.precision}
    return grade(f"So it is \\boxed{{{said}}}.", str(problem.answer), unit=problem.unit, **known).correct


@pytest.mark.parametrize("split", sorted(TINY.SPLITS))
def test_every_gold_scores_one(split: str) -> None:
    problems = TINY.load(split, None).problems
    assert [problem.id for problem in problems if not verdict(problem, str(problem.answer))] == []


@pytest.mark.parametrize("split", sorted(TINY.SPLITS))
def test_another_problems_gold_scores_only_where_it_is_the_same(split: str) -> None:
    problems = TINY.load(split, None).problems
    free = [problem for problem in problems if not problem.choices]
    for problem, other in pairwise(free):
        assert verdict(problem, str(other.answer)) == (problem.answer == other.answer), (problem.id, other.id)


@pytest.mark.parametrize("split", sorted(TINY.SPLITS))
def test_a_choice_is_right_by_its_letter_and_by_its_text(split: str) -> None:
    for problem in (problem for problem in TINY.load(split, None).problems if problem.choices):
        right = "ABCDEFG".index(str(problem.answer))
        assert [verdict(problem, text) for text in problem.choices].count(True) == 1, problem.id
        assert verdict(problem, problem.choices[right]), problem.id
        assert not verdict(problem, "ABCDEFG"[right - 1 if right else 1]), problem.id


def test_every_problem_can_be_broken_down_and_shows_one_picture() -> None:
    for split in TINY.SPLITS:
        for problem in TINY.load(split, None).problems:
            assert set(TINY.BREAKDOWNS) <= set(problem.meta) and len(problem.images) == 1
