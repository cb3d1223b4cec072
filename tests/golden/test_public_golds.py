"""Every benchmark proves itself on rows in the data set's own schema: golds score 1, and the golden file is right.

A benchmark takes part by having tests/fixtures/NAME/ and tests/golden/benchmarks/NAME.jsonl (id, response, correct,
why; `official` where the official scorer's verdict is known). Nothing here knows any benchmark by name.
"""

import json
from functools import cache
from pathlib import Path

import pytest

from mmupt.benchmarks import find, names, source_of
from mmupt.judges import verdict_of
from mmupt.types import Problem

TESTS = Path(__file__).parents[1]
GOLDEN = sorted((TESTS / "golden" / "benchmarks").glob("*.jsonl"))
ROWS = [(file.stem, json.loads(line)) for file in GOLDEN for line in file.read_text().splitlines()]


@cache
def loaded(name: str, pictures: bool = True) -> dict[str, Problem]:
    folder = TESTS / "fixtures" / name
    found: dict[str, Problem] = {}
    for split in find(name).SPLITS:
        if any(folder.rglob(f"{split}.json*")):
            found |= {each.id: each for each in find(name).load(split, str(folder), pictures=pictures).problems}
    return found


def judged(name: str, judge: str, problem: Problem, response: str) -> bool:
    return verdict_of(judge, name)(problem, response, False).correct


def test_every_benchmark_has_a_golden_file_and_a_line_in_the_docs() -> None:
    assert {file.stem for file in GOLDEN} == set(names()) - {"tiny"}
    page = (TESTS.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in names():
        bench, line = find(name), next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        told = [f"`{split}`" for split in bench.SPLITS]
        source = source_of(bench)
        if source is not None:
            told += [source.id, str(getattr(bench, "PAPER", None))]
        assert [each for each in told if each not in line] == [], name


@pytest.mark.parametrize("name", [file.stem for file in GOLDEN])
def test_every_gold_given_as_a_response_scores_one(name: str) -> None:
    problems = loaded(name).values()
    assert len(problems) >= 4
    for problem in problems:
        assert judged(name, "boxed", problem, f"So it is \\boxed{{{problem.answer}}}."), problem
        gold = problem.meta.get("gold", problem.answer)
        assert judged(name, "boxed", problem, f"So it is \\boxed{{{gold}}}."), problem
        if hasattr(find(name), "official"):
            assert judged(name, "official", problem, str(gold)), problem


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}-{row['id']}-{row['why']}" for name, row in ROWS])
def test_the_golden_verdicts_hold(name: str, row: dict[str, object]) -> None:
    problem, response = loaded(name)[str(row["id"])], str(row["response"])
    assert judged(name, "boxed", problem, response) == row["correct"], row["why"]
    if "official" in row:
        assert judged(name, "official", problem, response) == row["official"], row["why"]


@pytest.mark.parametrize("name", [file.stem for file in GOLDEN])
def test_problems_can_be_broken_down_and_are_the_same_without_pictures(name: str) -> None:
    with_pictures, without = loaded(name), loaded(name, pictures=False)
    assert list(with_pictures) == list(without)
    for problem in with_pictures.values():
        assert set(find(name).BREAKDOWNS) <= set(problem.meta)
