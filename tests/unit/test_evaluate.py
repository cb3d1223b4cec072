"""The evaluate stage end to end, with the scripted sampler."""

import json
from pathlib import Path

import pytest

from mmupt.config.evaluate import EvaluateConfig, EvaluateRollout
from mmupt.errors import UserError
from mmupt.problems import load
from mmupt.stages.evaluate import evaluate

SCRIPTED = EvaluateRollout(engine="scripted", temperature=0.7, max_tokens=64)
QUESTIONS = [
    {
        "id": "q-a",
        "question": "What is 1 plus 1?",
        "answer": "2",
        "answer_type": "integer",
        "family": "sum",
        "level": "easy",
    },
    {
        "id": "q-b",
        "question": "Which is red?",
        "answer": "B",
        "choices": ["P", "R"],
        "family": "colour",
        "level": "easy",
    },
    {
        "id": "q-c",
        "question": "How long?",
        "answer": "2.5",
        "answer_type": "float",
        "family": "length",
        "level": "hard",
    },
]
SAID = {
    "q-a": ["\\boxed{2}", "\\boxed{2.0}", "\\boxed{3}", "no idea"],
    "q-b": ["\\boxed{R}", "\\boxed{(B)}", "\\boxed{A}", "\\boxed{B}"],
    "q-c": ["\\boxed{7}", "\\boxed{}", "\\boxed{7}", "word " * 80],
}


def jsonl(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def script(path: Path) -> str:
    return jsonl(path, [{"match": id, "completions": completions} for id, completions in SAID.items()])


def settings(tmp_path: Path, **changed: object) -> EvaluateConfig:
    made = {
        "out": str(tmp_path / "run"),
        "data": jsonl(tmp_path / "bench.jsonl", QUESTIONS),
        "model": script(tmp_path / "script.jsonl"),
        "samples": 4,
        "chunk_size": 2,
        "rollout": SCRIPTED,
    }
    return EvaluateConfig(**(made | changed))


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_scores_are_those_of_the_script(tmp_path: Path) -> None:
    result = evaluate(settings(tmp_path))
    found = json.loads((tmp_path / "run" / "results.json").read_text())
    assert result == {"tiny": found} == json.loads((tmp_path / "run" / "done.json").read_text())
    assert found["n"] == 3 and found["benchmark"] == "tiny"
    assert found["scores"] == {
        "accuracy": round((2 / 4 + 3 / 4 + 0) / 3, 6),
        "maj@4": round(2 / 3, 6),
        "pass@4": round(2 / 3, 6),
    }
    assert found["intervals"]["accuracy"][0] < found["scores"]["accuracy"] < found["intervals"]["accuracy"][1]
    assert {name: cell["accuracy"] for name, cell in found["breakdowns"]["family"].items()} == {
        "colour": 0.75, "length": 0.0, "sum": 0.5
    }  # fmt: skip
    assert found["breakdowns"]["level"]["easy"]["n"] == 2 and found["breakdowns"]["skill"] == {}
    assert found["rates"] == {"extraction": 0.75, "truncation": round(1 / 12, 6), "abstention": 0.25}


def test_every_response_is_on_disk_with_its_verdict(tmp_path: Path) -> None:
    evaluate(settings(tmp_path))
    made = rows(tmp_path / "run" / "samples.jsonl")
    assert [(row["id"], row["index"]) for row in made] == [(id, index) for id in SAID for index in range(4)]
    assert "".join(str(row["verdict"])[0] for row in made) == "ccwa" + "ccwc" + "wawa"
    assert made[7] == {
        "id": "q-b",
        "index": 3,
        "response": "\\boxed{B}",
        "extracted": "B",
        "gold": "B",
        "verdict": "correct",
        "reason": "chose B, gold B",
        "judge": "boxed@1",
        "finish_reason": "stop",
        "tokens": 1,
    }
    assert made[-1]["finish_reason"] == "length" and made[-1]["tokens"] == 64
    assert [row["question"] for row in rows(tmp_path / "run" / "questions.jsonl")] == [
        row["question"] for row in QUESTIONS
    ]


def test_results_are_the_same_in_every_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        evaluate(settings(tmp_path / name))
    for file in ("results.json", "samples.jsonl", "questions.jsonl"):
        assert (tmp_path / "one" / "run" / file).read_bytes() == (tmp_path / "two" / "run" / file).read_bytes()
    assert str(tmp_path) not in (tmp_path / "one" / "run" / "results.json").read_text()


@pytest.mark.parametrize("kept", [0, 1, 3, 7, 8, 9, 11, 12])
@pytest.mark.parametrize("torn", [b"", b'{"id":"b","ind'])
def test_a_killed_run_ends_with_the_same_bytes(kept: int, torn: bytes, tmp_path: Path) -> None:
    evaluate(settings(tmp_path))
    samples, results = tmp_path / "run" / "samples.jsonl", tmp_path / "run" / "results.json"
    whole, scores = samples.read_bytes(), results.read_bytes()
    samples.write_bytes(b"".join(whole.splitlines(keepends=True)[:kept]) + torn)
    results.unlink()
    (tmp_path / "run" / "done.json").unlink()
    evaluate(settings(tmp_path))
    assert samples.read_bytes() == whole and results.read_bytes() == scores


def test_several_benchmarks_have_a_folder_each_and_one_stands_alone(tmp_path: Path) -> None:
    evaluate(settings(tmp_path, bench="tiny,tiny"))
    assert (tmp_path / "run" / "results.json").is_file() and not (tmp_path / "run" / "tiny").exists()


def test_a_limit_asks_the_same_questions_of_every_family(tmp_path: Path) -> None:
    asked = {}
    for limit in (24, 48):
        found = evaluate(
            settings(tmp_path, out=str(tmp_path / str(limit)), data=None, split="dev", limit=limit, model="rule")
        )
        asked[limit] = {str(row["id"]) for row in rows(tmp_path / str(limit) / "samples.jsonl")}
        families = [cell["n"] for cell in found["tiny"]["breakdowns"]["family"].values()]
        assert max(families) - min(families) <= 1 and sum(families) == limit
    assert asked[24] < asked[48] < {problem.id for problem in load("tiny:dev").problems}


def test_one_sample_has_no_majority(tmp_path: Path) -> None:
    found = evaluate(settings(tmp_path, samples=1))["tiny"]
    assert list(found["scores"]) == ["accuracy"]


BAD: list[tuple[dict[str, object], str]] = [
    ({"bench": "tinny"}, "did you mean 'tiny'?"),
    ({"split": "tst"}, "choose from test, dev, hard, hard-dev"),
    ({"data": "nowhere.jsonl"}, "no such problem set"),
    ({"model": "nowhere.jsonl"}, "no such script"),
    ({"model": "nowhere", "rollout": EvaluateRollout(engine="transformers")}, "no such model"),
]


@pytest.mark.parametrize(("changed", "message"), BAD, ids=[str(list(case[0])) for case in BAD])
def test_a_mistake_is_one_line_and_leaves_no_scores(changed: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        evaluate(settings(tmp_path, **changed))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "samples.jsonl").exists() and not (tmp_path / "run" / "results.json").exists()


def test_problems_without_golds_cannot_be_scored(tmp_path: Path) -> None:
    blind = jsonl(tmp_path / "blind.jsonl", [{"id": "a", "question": "How long?"}])
    with pytest.raises(UserError, match="problem 'a' has no answer to grade by"):
        evaluate(settings(tmp_path, data=blind))
    assert not (tmp_path / "run").exists()


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    evaluate(settings(tmp_path))
    with pytest.raises(UserError, match="samples: 4 -> 5"):
        evaluate(settings(tmp_path, samples=5))


@pytest.mark.parametrize("changed", [{"samples": 0}, {"limit": 0}, {"chunk_size": 0}, {"bench": " , "}])
def test_settings_that_leave_nothing_to_do_are_refused(changed: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UserError):
        settings(tmp_path, **changed)
