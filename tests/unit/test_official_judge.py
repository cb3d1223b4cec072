"""The benchmark's own scorer as the judge, and its own measures, from the file of responses to the report."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

import mmupt.benchmarks
from mmupt import registry
from mmupt.config import parse
from mmupt.config.evaluate import EvaluateConfig
from mmupt.errors import UserError
from mmupt.judges.batch import judge_all
from mmupt.stages.evaluate import evaluate
from mmupt.types import Problem
from tests.unit.test_given_responses import jsonl, samples

BENCHMARK = '''
"""Capitals: a benchmark whose scorer looks at the first letter."""
from mmupt import problems
from mmupt.benchmarks import Measures
from mmupt.types import Grade

SPLITS = {"test": "test"}
BREAKDOWNS = ("continent",)

def load(split, data, *, pictures=True):
    return problems.load(data, answers=True, pictures=pictures)

def official(problem, response):
    return Grade(response[:1] == problem.answer[:1], response[:1] or None, "first letters")

def measure(asked, correct):
    firsts = {problem.answer[0] for problem, right in zip(asked, correct) if right}
    return Measures({"letters": len(firsts) / len(asked)}, {"letters": {"found": sorted(firsts), "rate": None}})
'''
ROWS = [
    {"id": "1", "question": "France?", "answer": "Paris", "continent": "Europe"},
    {"id": "2", "question": "Peru?", "answer": "Lima", "continent": "America"},
    {"id": "3", "question": "Spain?", "answer": "Madrid", "continent": "Europe"},
]
SAID = [{"id": "1", "response": "P"}, {"id": "2", "response": "Quito"}, {"id": "3", "response": "Malaga"}]


@pytest.fixture(autouse=True)
def _capitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A room of benchmarks that has one file more."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "capitals_of_tests.py").write_text(BENCHMARK)
    monkeypatch.setattr(mmupt.benchmarks, "__path__", [*mmupt.benchmarks.__path__, str(tmp_path / "more")])
    monkeypatch.setattr(mmupt.benchmarks.__spec__, "submodule_search_locations", mmupt.benchmarks.__path__)
    registry.names.cache_clear()
    yield
    registry.names.cache_clear()


def scored(tmp_path: Path, **changed: object) -> dict[str, object]:
    settings = {
        "bench": "capitals_of_tests",
        "data": jsonl(tmp_path / "bench.jsonl", ROWS),
        "responses": jsonl(tmp_path / "out.jsonl", SAID),
        "out": str(tmp_path / "run"),
    }
    evaluate(parse(EvaluateConfig, {**settings, "judge": "official", **changed}))
    return json.loads((tmp_path / "run" / "results.json").read_text())


def test_the_official_scorer_takes_the_response_as_the_answer(tmp_path: Path):
    found = scored(tmp_path)
    assert [(row["extracted"], row["verdict"], row["reason"], row["judge"]) for row in samples(tmp_path / "run")] == [
        ("P", "correct", "first letters", "official@1"),
        ("Q", "wrong", "first letters", "official@1"),
        ("M", "correct", "first letters", "official@1"),
    ]
    assert found["judge"] == "official@1" and found["scores"] == {"accuracy": 0.666667, "letters": 0.666667}
    assert found["breakdowns"]["continent"]["Europe"]["accuracy"] == 1.0
    assert found["breakdowns"]["letters"] == {"found": ["M", "P"], "rate": None}


def test_the_report_shows_tables_of_any_shape(tmp_path: Path):
    scored(tmp_path)
    text = (tmp_path / "run" / "report.md").read_text()
    assert "Accuracy in % by continent" in text and "| found | M, P |" in text and "| letters | 66.7 |" in text
    page = (tmp_path / "run" / "report.html").read_text()
    assert ">M, P</td>" in page and "Europe (2)" in page


def test_our_judge_differs_where_no_answer_is_stated(tmp_path: Path):
    assert scored(tmp_path, judge="boxed")["rates"]["abstention"] == 1.0


def test_workers_use_the_official_scorer_too():
    items = [(Problem(str(at), "?", answer="Paris"), "P" if at % 3 else "Q", False) for at in range(100)]
    alone, together = (
        list(chain.from_iterable(judge_all("official", "capitals_of_tests", items, workers=n))) for n in (1, 2)
    )
    assert alone == together and sum(grade.correct for grade in together) == 66


def test_a_benchmark_without_a_scorer_names_those_that_have_one(tmp_path: Path):
    with pytest.raises(UserError, match=r"there is no official scorer; choose another judge .*capitals_of_tests"):
        scored(tmp_path, bench="tiny")
