"""What counts as a question that a model wrote."""

import time

import pytest

from mmupt.prompts import question_text
from mmupt.synthesis.parse import REASONS, Rejected, Written, parse

GOOD = [
    ("plain", "How long is AB?", Written("How long is AB?")),
    ("heading", "Question: How long is AB?", Written("How long is AB?")),
    ("bold heading", "**New Question:** How long is AB?", Written("How long is AB?")),
    ("numbered heading", "Question 1: How long?", Written("How long?")),
    ("bold question", "**How long is AB?**", Written("How long is AB?")),
    ("word at the start", "Questionnaires are shown. How many?", Written("Questionnaires are shown. How many?")),
    ("choices", "Which is taller?\n(A) P\n(B) R\n", Written("Which is taller?", ("P", "R"))),
    ("choices with dots", "Which?\nA. 1\nB. 2\n\nC. 3", Written("Which?", ("1", "2", "3"))),
    ("two lines", "AB is 3.\nHow long is BC?", Written("AB is 3.\nHow long is BC?")),
    ("answer cut off", "How long?\n(A) 1\n(B) 2\nAnswer: (B) 2", Written("How long?", ("1", "2"))),
    ("solution cut off", "How long?\n**Solution:** first ...", Written("How long?")),
    ("boxes in the picture", "How many boxes are red?", Written("How many boxes are red?")),
    ("chinese", "阴影部分的面积是多少？", Written("阴影部分的面积是多少？")),
]
BAD = [
    ("empty", "", "empty"),
    ("blank", " \n\t", "empty"),
    ("only a heading", "Question:", "empty"),
    ("only choices", "(A) 1\n(B) 2", "empty"),
    ("only marks", "???", "empty"),
    ("an answer only", "Answer: 5", "empty"),
    ("proof", "Prove that AB = CD.", "proof"),
    ("show that", "Show that the triangles are similar.", "proof"),
    ("boxed", "What is P? Put it in \\boxed{}.", "box"),
    ("the word boxed", "Give a boxed answer: what is P?", "box"),
    ("in a box", "What is P? Write it in a box.", "box"),
    ("one choice", "Which?\n(A) 1", "choices"),
    ("no A", "Which?\n(B) 1\n(C) 2", "choices"),
    ("a gap", "Which?\n(A) 1\n(C) 2", "choices"),
    ("twice the same", "Which?\n(A) 1\n(B) 1", "choices"),
    ("text after the choices", "Which?\n(A) 1\n(B) 2\nChoose well.", "choices"),
    ("a picture's placeholder", "What is <|image_pad|>?", "markup"),
    ("a turn", "What?<|im_end|>", "markup"),
    ("long", "How " * 300 + "?", "too-long"),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_a_question_is_read(text: str, expected: Written) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(("text", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_no_question_is_told_why(text: str, reason: str) -> None:
    assert parse(text) == Rejected(reason)
    assert reason in REASONS


def test_a_truncated_completion_is_no_question() -> None:
    assert parse("How long is A", truncated=True) == Rejected("truncated")


@pytest.mark.parametrize("choices", [(), ("1", "2"), tuple("abcdefg")])
def test_what_a_prompt_shows_is_read_back(choices: tuple[str, ...]) -> None:
    assert parse(question_text("How long is AB?", choices)) == Written("How long is AB?", choices)


@pytest.mark.parametrize("text", ["(A) " * 3000, "*" * 200_000, "\n" * 200_000, "Question" * 40_000, "<|" * 100_000])
def test_hostile_completions_cost_little(text: str) -> None:
    started = time.perf_counter()
    assert isinstance(parse(text), Rejected)
    assert time.perf_counter() - started < 0.2
