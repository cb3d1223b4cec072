"""Judges by name, a second opinion beside the first, and a run that is judged again."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from mmupt import judges
from mmupt.config import parse
from mmupt.config.evaluate import EvaluateConfig
from mmupt.errors import UserError
from mmupt.judges import llm
from mmupt.prompts import OPINION
from mmupt.stages.evaluate import evaluate
from mmupt.types import Problem
from tests.unit.test_given_responses import QUESTIONS, jsonl, samples

SAID = {
    "1": ["\\boxed{2}", "\\boxed{3}"],
    "2": ["\\boxed{B}", "\\boxed{R}"],
    "3": ["the length is two and a half", "none"],
    "4/2steps_1": ["\\boxed{7}", "\\boxed{8}"],
}
OPINIONS = {
    "Response:\nthe length is two and a half": "Both mean 2.5: \\boxed{correct}",
    "Response:\n\\boxed{3}": "It is \\boxed{wrong}",
    "Response:\n\\boxed{8}": "I cannot tell.",
    "Response:\nnone": "\\boxed{none}",
    "": "\\boxed{correct}",
}


def run_of(tmp_path: Path, **changed: object) -> Path:
    """A run with two responses a problem, of the scripted engine."""
    made = {
        "out": str(tmp_path / "run"),
        "data": jsonl(tmp_path / "bench.jsonl", [{**row, "image": None} for row in QUESTIONS]),
        "model": jsonl(tmp_path / "said.jsonl", [{"match": id, "completions": said} for id, said in SAID.items()]),
        "samples": 2,
        "chunk_size": 2,
        "rollout": {"engine": "scripted"},
    }
    evaluate(parse(EvaluateConfig, {**made, **changed}))
    return Path(str(changed.get("out", made["out"])))


def opinions(tmp_path: Path) -> dict[str, object]:
    rows = [{"match": match, "completions": [reply]} for match, reply in OPINIONS.items()]
    second = {"engine": "scripted"}
    return {"judge": "llm", "judge_model": jsonl(tmp_path / "opinions.jsonl", rows), "second": second}


def results(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.json").read_text())


def fingerprint(folder: Path) -> dict[str, str]:
    return {str(file): sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_judges_are_listed_by_name_and_told_with_their_version():
    assert judges.names() == ["boxed", "llm", "official"]
    assert [judges.label(name) for name in judges.names()] == ["boxed@1", "llm@1", "official@1"]
    with pytest.raises(UserError, match="did you mean 'official'"):
        judges.check("offical", "tiny")


def test_a_second_opinion_is_kept_beside_the_first_and_does_not_change_the_scores(tmp_path: Path):
    plain = run_of(tmp_path)
    both = run_of(tmp_path, out=str(tmp_path / "both"), **opinions(tmp_path))
    first, second = results(plain), results(both)
    rows = samples(both)
    assert [row["second"]["verdict"] for row in rows] == [
        "correct", "wrong", "correct", "correct", "correct", "abstained", "correct", "unclear"
    ]  # fmt: skip
    assert {row["second"]["judge"] for row in rows} == {"llm@1"} and {row["judge"] for row in rows} == {"boxed@1"}
    assert [{key: row[key] for key in row if key != "second"} for row in rows] == samples(plain)
    assert second["judge"] == "boxed@1" and first["scores"].items() <= second["scores"].items()
    assert second["scores"]["second_accuracy"] == 5 / 8 and second["scores"]["second_agreement"] == 7 / 8
    told = second["provenance"]["second"]
    assert told["judge"] == "llm@1" and told["prompt"] == OPINION and told["model"] == "opinions.jsonl"


def test_the_report_lists_disagreements_and_prints_the_prompt(tmp_path: Path):
    run = run_of(tmp_path, **opinions(tmp_path))
    told = json.loads((run / "report.json").read_text())
    blocks = {block.get("caption"): block for block in told["blocks"]}
    (row,) = blocks["Disagreements: 1"]["rows"]
    assert row == ["3", "2.50", "None", "abstained", "correct", "Both mean 2.5: \\boxed{correct}"]
    assert blocks["Its prompt"]["text"] == OPINION
    page = (run / "report.html").read_text()
    assert "Does the final answer of the response mean the same" in page
    assert "second opinion differs (1)" in page and page.count('<details class="said is-abstained is-disputed"') == 1
    assert "Does the final answer of the response mean the same" in (run / "report.md").read_text()


@pytest.mark.parametrize("kept", [0, 1, 3, 7])
def test_a_second_opinion_that_was_killed_ends_with_the_same_bytes(kept: int, tmp_path: Path):
    run = run_of(tmp_path, **opinions(tmp_path))
    before = {
        name: (run / name).read_bytes() for name in ("samples.jsonl", "second.jsonl", "results.json", "report.md")
    }
    lines = before["second.jsonl"].splitlines(keepends=True)
    (run / "second.jsonl").write_bytes(b"".join(lines[:kept]) + b'{"id": "2", "ind')
    (run / "done.json").unlink()
    (run / "results.json").unlink()
    run_of(tmp_path, **opinions(tmp_path))
    assert before == {name: (run / name).read_bytes() for name in before}


def test_a_run_is_judged_again_beside_it_and_stays_as_it_is(tmp_path: Path):
    run = run_of(tmp_path)
    before = fingerprint(run)
    evaluate(parse(EvaluateConfig, {"rescore": f"{run}/", **opinions(tmp_path)}))
    assert fingerprint(run) == before
    again = tmp_path / "run-llm"
    old, new = results(run), results(again)
    assert new["protocol"] == old["protocol"] and new["n"] == 4
    assert {"model", "model_sha256", "engine", "data_sha256", "split"} <= new["provenance"].keys()
    assert new["provenance"]["rescored"] == "run" and new["provenance"]["model"] == "said.jsonl"
    assert [row["second"]["judge"] for row in samples(again)] == ["llm@1"] * 8
    evaluate(parse(EvaluateConfig, {"rescore": str(again), "judge": "boxed", "out": str(tmp_path / "third")}))
    third = results(tmp_path / "third")
    assert (tmp_path / "third" / "samples.jsonl").read_bytes() == (run / "samples.jsonl").read_bytes()
    assert {**third, "provenance": 0} == {**old, "provenance": 0} and "second" not in third["provenance"]


def test_a_run_is_judged_again_without_its_data_and_its_model(tmp_path: Path):
    run = run_of(tmp_path)
    for name in ("bench.jsonl", "said.jsonl"):
        (tmp_path / name).unlink()
    evaluate(parse(EvaluateConfig, {"rescore": str(run), "ids": "1,3"}))
    again = results(tmp_path / "run-boxed")
    assert again["n"] == 2 and again["protocol"]["ids"] == "1,3" and again["scores"]["accuracy"] == 0.25


def test_what_cannot_be_judged_again_is_told_in_one_line(tmp_path: Path):
    run = run_of(tmp_path)
    cases = {
        "lies in the run that is scored again": {"out": str(run / "again")},
        "there is no official scorer": {"judge": "official"},
        "no benchmark 'other'; it holds tiny": {"bench": "other"},
        "no problem has the id 'x'": {"ids": "x"},
    }
    for words, changed in cases.items():
        with pytest.raises(UserError, match=words):
            evaluate(parse(EvaluateConfig, {"rescore": str(run), **changed}))
    (run / "done.json").unlink()
    with pytest.raises(UserError, match="holds no finished evaluation"):
        evaluate(parse(EvaluateConfig, {"rescore": str(run)}))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["run"]


def test_an_opinion_is_asked_in_text_alone_and_a_long_response_loses_its_beginning():
    problem = Problem("a", "Which is {gold}?", choices=("x", "y"), answer="B")
    prompt = llm.ask(problem, "w" * 9_000 + "\\boxed{A} {question}", "a:0")
    (turn,) = prompt.messages
    (part,) = turn["content"]
    assert prompt.id == "a:0" and prompt.images == () and part["type"] == "text"
    assert "Question:\nWhich is {gold}?\n(A) x\n(B) y\n\nReference answer:\nB\n\n" in part["text"]
    assert "w\\boxed{A} {question}\n" in part["text"] and len(part["text"]) < 9_000


@pytest.mark.parametrize(
    ("reply", "opinion"),
    [
        ("So \\boxed{correct}", "correct"),
        ("\\boxed{\\text{Wrong}}", "wrong"),
        ("first \\boxed{wrong}, no: \\boxed{correct}.", "correct"),
        ("\\boxed{none}", "abstained"),
        ("\\boxed{maybe}", "unclear"),
        ("correct", "unclear"),
        ("\\boxed{corr", "unclear"),
        ("", "unclear"),
    ],
)
def test_the_word_in_the_box_is_the_opinion(reply: str, opinion: str):
    assert llm.read(reply) == opinion
