"""The vote of one group: classes of equal answers, ties, thresholds, abstentions."""

import json
from pathlib import Path

import pytest

from mmupt.types import Answer
from mmupt.voting import vote

GOLDEN = Path(__file__).parents[1] / "golden" / "votes.jsonl"
ROWS = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["why"].replace(" ", "-"))
def test_a_vote_is_as_the_table_says(row):
    outcome = vote(row["answers"], **row["options"])
    assert outcome.label == row["label"], row["why"]
    assert list(outcome.classes) == row["classes"], row["why"]
    assert outcome.tie == row["tie"]
    assert outcome.abstentions == row["classes"].count(None)
    assert sum(outcome.counts) + outcome.abstentions == len(row["answers"])
    assert (outcome.winner is None) == (outcome.label is None)


def test_share_is_of_the_whole_group():
    assert vote(["1", "1", None, "2"]).share == 0.5
    assert vote(["1", "2", None, None]).share == 0.25
    assert vote([None]).share == 0.0


def test_answers_vote_as_their_texts_do():
    assert vote([Answer("1", "box"), Answer(None, "no-answer"), "1"]) == vote(["1", None, "1"])


def test_no_answer_never_wins_however_many_there_are():
    outcome = vote([None] * 63 + ["5"])
    assert (outcome.label, outcome.abstentions, outcome.winner) == ("5", 63, 0)


def test_the_winning_class_does_not_depend_on_the_order():
    answers = ["1/2", "0.5", "2", None, "\\frac12"]
    labels = {vote(answers[at:] + answers[:at]).label for at in range(len(answers))}
    assert labels <= {"1/2", "0.5", "\\frac12"}
