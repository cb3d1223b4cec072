"""The golden tables of the judge: every row states why."""

import json
from pathlib import Path

import pytest

from mmupt.answers import extract, grade

GOLDEN = Path(__file__).parents[1] / "golden"
DIFFERS = {
    # One number in bold among several others is no declared answer; taking it would credit any emphasised step.
    "nobox-real-years",
}


def rows(name):
    lines = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def judged(row):
    options = {name: row[name] for name in ("answer_type", "choices", "precision", "unit") if name in row}
    return grade(row["response"], row["gold"], **options)


@pytest.mark.parametrize("row", rows("extraction.jsonl"), ids=lambda row: row["id"])
def test_the_shared_cases_agree(row):
    verdict = judged(row)
    if row["id"] in DIFFERS:
        assert (verdict.correct, verdict.answer) == (False, None)
        assert {"optional", "hard"} & set(row["policy"].replace(",", " ").split())
        return
    assert verdict.correct == row["expected_correct"], (row["why"], verdict)
    assert verdict.answer == row["expected_extracted"], row["why"]


@pytest.mark.parametrize("row", rows("verdicts.jsonl"), ids=lambda row: ascii(row["response"])[:50])
def test_a_verdict_is_as_the_table_says(row):
    verdict = judged(row)
    assert verdict.correct == row["correct"], (row["why"], verdict)
    assert row["why"]


def test_a_truncated_response_abstains_whatever_it_holds():
    assert extract("\\boxed{5}", truncated=True).text is None
    verdict = grade("\\boxed{5}", "5", truncated=True)
    assert (verdict.correct, verdict.answer, verdict.reason) == (False, None, "truncated")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("no idea", "no-answer"),
        ("\\boxed{}", "empty-box"),
        ("\\boxed{...}", "empty-box"),
        ("\\boxed{5} no, \\boxed{6", "truncated-box"),
        ("<think>\\boxed{5}", "unfinished-thinking"),
        ("<answer></answer>", "empty-tag"),
        ("<answer>5", "truncated-tag"),
        ("\\boxed{" + "1+" * 600 + "1}", "too-long"),
        ("\\boxed{5\x00}", "broken-characters"),
    ],
)
def test_an_abstention_tells_its_reason(response, reason):
    answer = extract(response)
    assert (answer.text, answer.reason) == (None, reason)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("\\boxed{5}", "box"),
        ("<answer>5</answer>", "tag"),
        ("The answer is 5.", "phrase"),
        ("5", "bare"),
    ],
)
def test_an_answer_tells_where_it_was_found(response, reason):
    assert (extract(response).text, extract(response).reason) == ("5", reason)
