"""Responses that exist already: a file of them, or a run's, scored without a model."""

import json
from itertools import chain
from pathlib import Path

import pytest

from mmupt.config import parse
from mmupt.config.evaluate import EvaluateConfig
from mmupt.errors import UserError
from mmupt.judges.batch import judge_all
from mmupt.problems import load
from mmupt.stages.evaluate import evaluate
from tests.house.command import mmupt

QUESTIONS: list[dict[str, object]] = [
    {"id": "1", "question": "1 + 1?", "answer": "2", "answer_type": "integer", "family": "sum"},
    {"id": "2", "question": "Red?", "answer": "B", "choices": ["P", "R"], "family": "colour", "image": "gone.png"},
    {"id": "3", "question": "How long?", "answer": "2.50", "answer_type": "float", "precision": 2, "family": "length"},
    {"id": "4/2steps_1", "question": "How far?", "answer": "7", "unit": "m", "family": "length"},
]
ROWS: list[dict[str, object]] = [
    {"id": "4/2steps_1", "response": "\\boxed{7}", "model": "any"},
    {"id": 1, "response": "It is \\boxed{2}", "finish_reason": "stop", "tokens": 9},
    {"id": "2", "response": "\\boxed{A}"},
    {"id": "3", "response": "so \\boxed{2.5}", "finish_reason": "length"},
]
Rows = list[dict[str, object]]


def jsonl(path: Path, rows: Rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def settings(tmp_path: Path, **changed: object) -> EvaluateConfig:
    data = jsonl(tmp_path / "bench.jsonl", QUESTIONS)
    made = {"bench": "tiny", "data": data, "out": str(tmp_path / "run")}
    return parse(EvaluateConfig, {**made, **changed})


def scored(tmp_path: Path, rows: Rows, **changed: object) -> dict[str, object]:
    file = jsonl(tmp_path / "out.jsonl", rows)
    evaluate(settings(tmp_path, responses=file, **changed))
    return json.loads((tmp_path / "run" / "results.json").read_text())


def samples(folder: Path) -> Rows:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]


def test_responses_are_scored_in_the_order_of_the_problems_whatever_their_own(tmp_path: Path):
    found = scored(tmp_path, ROWS)
    rows = samples(tmp_path / "run")
    assert [row["id"] for row in rows] == ["1", "2", "3", "4/2steps_1"]
    assert [row["verdict"] for row in rows] == ["correct", "wrong", "abstained", "correct"]
    assert rows[0] == {
        "id": "1",
        "index": 0,
        "response": "It is \\boxed{2}",
        "extracted": "2",
        "gold": "2",
        "verdict": "correct",
        "reason": "equal as number and number",
        "judge": "boxed@1",
        "finish_reason": "stop",
        "tokens": 9,
    }
    assert found["n"] == 4 and found["judge"] == "boxed@1" and found["scores"] == {"accuracy": 0.5}
    assert found["rates"] == {"extraction": 0.75, "truncation": 0.25, "abstention": 0.25}
    assert found["protocol"] == {"name": None, "samples": 1, "limit": None, "ids": None}
    origin = found["provenance"]
    assert origin["without_response"] == 0 and origin["problems"] == 4 and len(origin["responses_sha256"]) == 64
    assert "model" not in origin and origin["responses"] == "out.jsonl"
    assert set(found) == {
        "benchmark", "n", "protocol", "judge", "scores", "intervals", "breakdowns", "rates", "provenance"
    }  # fmt: skip


def test_a_subset_is_scored_on_what_is_given_and_says_what_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    found = scored(tmp_path, ROWS[:2])
    assert found["n"] == 2 and found["scores"] == {"accuracy": 1.0}
    assert found["provenance"]["without_response"] == 2
    assert {name: cell["n"] for name, cell in found["breakdowns"]["family"].items()} == {"length": 1, "sum": 1}
    assert "2 problems, 2 more have no response and are left out" in capsys.readouterr().out
    assert "2 more problems have no response here" in (tmp_path / "run" / "report.md").read_text()


def test_ids_and_limit_choose_among_the_responses(tmp_path: Path):
    assert scored(tmp_path, ROWS, ids="2, 1")["n"] == 2
    assert [row["id"] for row in samples(tmp_path / "run")] == ["1", "2"]
    (tmp_path / "ids.txt").write_text("3\n\n4/2steps_1\n")
    evaluate(settings(tmp_path, responses=str(tmp_path / "out.jsonl"), ids=str(tmp_path / "ids.txt"), out="x"))
    assert [row["id"] for row in samples(Path("x"))] == ["3", "4/2steps_1"]
    evaluate(settings(tmp_path, responses=str(tmp_path / "out.jsonl"), limit=3, out="y"))
    assert len(samples(Path("y"))) == 3


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_several_responses_a_problem_are_told_apart_by_their_index(tmp_path: Path):
    rows = [{**row, "index": index} for index in (1, 0) for row in ROWS]
    found = scored(tmp_path, rows)
    assert found["protocol"]["samples"] == 2 and list(found["scores"]) == ["accuracy", "maj@2", "pass@2"]
    assert [(row["id"], row["index"]) for row in samples(tmp_path / "run")][:3] == [("1", 0), ("1", 1), ("2", 0)]


def test_the_samples_of_a_run_are_responses_too(tmp_path: Path):
    first = scored(tmp_path, ROWS)
    again = str(tmp_path / "run" / "samples.jsonl")
    evaluate(settings(tmp_path, responses=again, out=str(tmp_path / "again")))
    second = json.loads((tmp_path / "again" / "results.json").read_text())
    assert (tmp_path / "again" / "samples.jsonl").read_bytes() == (tmp_path / "run" / "samples.jsonl").read_bytes()
    assert {**second, "provenance": 0} == {**first, "provenance": 0}


ODD = [
    "NUL \x00 and \ud800 half a pair",
    "",
    "\u2028 a line that is none",
    "<script>alert(1)</script>",
    "\\boxed{" * 999,
]


def test_odd_texts_are_kept_and_judged(tmp_path: Path):
    rows = [{"id": row["id"], "response": text} for row, text in zip(QUESTIONS, ODD, strict=False)]
    found = scored(tmp_path, rows)
    assert found["scores"] == {"accuracy": 0.0}
    assert [row["response"] for row in samples(tmp_path / "run")] == ODD[:4]
    assert "<script>alert" not in (tmp_path / "run" / "report.html").read_text()


def test_a_number_is_its_text_and_null_an_empty_response(tmp_path: Path):
    scored(tmp_path, [{"id": "1", "response": 2}, {"id": "3", "response": 2.5}, {"id": "2", "response": None}])
    assert [row["response"] for row in samples(tmp_path / "run")] == ["2", "", "2.5"]


BAD: list[tuple[bytes, str]] = [
    (b'{"id": "1", "response": "2"}\n{"id": "1", "response": "3"}\n', r"line 2: a second response to problem '1'"),
    (
        b'{"id": "1", "response": "2"}\n{"id": "5", "response": "3"}\n',
        r"line 2 .benchmark tiny.: no problem has the id '5'; its ids look",
    ),
    (b'{"id": "4/2steps1", "response": "2"}\n', r"did you mean '4/2steps_1'\?"),
    (b'{"id": "1", "response": "2"}\n\n{"id": "2"\n', r"line 3: not valid JSON"),
    (b'["1", "2"]\n', r"line 1: a JSON list, not an object"),
    (b'{"response": "2"}\n', r"line 1: the row has no id"),
    (b'{"id": 1.5, "response": "2"}\n', r"line 1: the id is neither text nor a whole number"),
    (b'{"id": true, "response": "2"}\n', r"line 1: the id is neither text nor a whole number"),
    (b'{"id": "1"}\n', r"line 1: problem '1' has no response"),
    (b'{"id": "1", "response": ["2"]}\n', r"line 1: the response to '1' is no text"),
    (b'{"id": "1", "response": true}\n', r"line 1: the response to '1' is no text"),
    (b'{"id": "1", "response": "2", "index": -1}\n', r"line 1: index is no whole number"),
    (b'{"id": "1", "response": "2", "finish_reason": 1}\n', r"line 1: finish_reason is no text"),
    (b"\xff\xfe\n", r"line 1: not valid JSON"),
    (b"[" * 100_000 + b"\n", r"line 1: not valid JSON"),
    (b" \n\n", r"out.jsonl: holds no responses"),
    (
        b'{"id": "1", "response": "2"}\n{"id": "1", "response": "2", "index": 1}\n{"id": "2", "response": "2"}\n',
        r"problem '2' has 1 of 2 responses",
    ),
]


@pytest.mark.parametrize(("data", "words"), BAD, ids=[words for _, words in BAD])
def test_a_bad_file_is_one_line_and_nothing_is_written(data: bytes, words: str, tmp_path: Path):
    (tmp_path / "out.jsonl").write_bytes(data)
    with pytest.raises(UserError, match=words) as told:
        evaluate(settings(tmp_path, responses=str(tmp_path / "out.jsonl")))
    assert "\n" not in str(told.value) and not (tmp_path / "run").exists()


WRONG: list[tuple[dict[str, object], str]] = [
    ({"responses": "nowhere.jsonl"}, "nowhere.jsonl: no such file of responses"),
    ({"responses": "out.jsonl", "ids": "9"}, "no problem has the id '9'"),
    ({"responses": "out.jsonl", "ids": " , "}, "no id is named"),
    ({"responses": "one.jsonl", "ids": "2"}, "holds no response to any problem that is asked"),
    ({"responses": "out.jsonl", "judge": "official"}, "benchmark tiny: there is no official scorer"),
    ({"responses": "out.jsonl", "judge": "boxde"}, "there is no 'boxde' in judges; did you mean 'boxed'?"),
    ({"responses": "out.jsonl", "rescore": "run"}, "give --responses or --rescore, not both"),
    ({"responses": "out.jsonl", "bench": "tiny,tinier"}, "one file of responses belongs to one benchmark"),
    ({"responses": "out.jsonl", "judge": "llm"}, "give --judge llm and --judge-model MODEL together"),
    ({"responses": "out.jsonl", "judge_model": "tiny"}, "give --judge llm and --judge-model MODEL together"),
    ({"protocol": "mm-utp"}, "there is no protocol 'mm-utp'; did you mean 'mm-upt'?"),
    ({"rescore": "nowhere"}, "nowhere: no such run"),
    ({"rescore": "."}, "holds no finished evaluation"),
]


@pytest.mark.parametrize(("changed", "words"), WRONG, ids=[words for _, words in WRONG])
def test_wrong_settings_are_one_line_and_nothing_is_written(changed: dict[str, object], words: str, tmp_path: Path):
    jsonl(tmp_path / "out.jsonl", ROWS)
    jsonl(tmp_path / "one.jsonl", ROWS[:1])
    with pytest.raises(UserError) as told:
        evaluate(settings(tmp_path, **changed))
    assert words in str(told.value) and "\n" not in str(told.value) and not (tmp_path / "run").exists()


def test_the_command_says_it_in_one_line_and_ends_with_2(tmp_path: Path):
    jsonl(tmp_path / "bench.jsonl", QUESTIONS)
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "response": "2"}\n{"id": "1", "response": "2"}\n')
    asked = ("eval", "--bench", "tiny", "--data", "bench.jsonl", "--responses", "bad.jsonl")
    done = mmupt(*asked, "--out", "run", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "line 2: a second response" in done.stderr
    without = mmupt(*asked, cwd=tmp_path)
    assert without.returncode == 2 and "--set out=VALUE" in without.stderr and without.stderr.count("\n") == 1


def test_a_finished_run_does_not_speak_for_a_file_that_has_changed(tmp_path: Path):
    scored(tmp_path, ROWS)
    before = (tmp_path / "run" / "results.json").read_bytes()
    scored(tmp_path, ROWS)
    with pytest.raises(UserError, match="the responses have changed since they were scored here"):
        scored(tmp_path, ROWS[:2])
    assert (tmp_path / "run" / "results.json").read_bytes() == before
    jsonl(tmp_path / "out.jsonl", ROWS)
    QUESTIONS[0]["answer"] = "3"
    try:
        with pytest.raises(UserError, match="the data have changed"):
            scored(tmp_path, ROWS)
    finally:
        QUESTIONS[0]["answer"] = "2"


def test_many_responses_are_judged_by_several_processes_as_by_one():
    problems = load("tiny:test", answers=True).problems[:120]
    items = [(each, f"So \\boxed{{{each.answer if at % 3 else at}}}", at % 7 == 0) for at, each in enumerate(problems)]
    alone = list(chain.from_iterable(judge_all("boxed", "tiny", items)))
    together = list(chain.from_iterable(judge_all("boxed", "tiny", items, workers=2)))
    assert together == alone and {grade.correct for grade in alone} == {True, False}
