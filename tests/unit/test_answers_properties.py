"""Properties of extraction and equality over arbitrary text. MMUPT_FUZZ sets the examples for a longer run."""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmupt.answers import canonical_key, equal, extract, grade
from mmupt.answers.clean import clean, tidy
from mmupt.voting import vote

MARKS = (
    "\\boxed{ } { \\frac \\sqrt \\text{ 1 2 12 3.5 1,234 10^400 2^{1500} 1e400 x y A B ( ) [ ] , ; $ \\{ \\} ^ _ "
    "+ - * / = < \\le : % ° cm m^2 \\pm \\pi √ ½ ² | ! and or . "
    "\\ \\left \\right \\infty \\cup the answer is <answer> </answer> <think> "
    "</think> ** three No sin \\, ~ {,} − \\begin{pmatrix} \\end{pmatrix} & \\\\ °C 10^ e i \\log_2 年 １ 12:30 am"
)
PIECES = [*MARKS.split(), " ", "\n", "\x00", "\ud800", "\x08oxed{", "the answer is ", " and ", "\\ "]

anything = st.text(max_size=60)
answers = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
texts = st.one_of(anything, answers)
many = settings(
    max_examples=int(os.environ.get("MMUPT_FUZZ", "300")), deadline=None, suppress_health_check=list(HealthCheck)
)


@many
@given(texts, texts)
def test_judging_never_raises_and_is_the_same_twice(response, gold):
    for options in ({}, {"choices": (gold, "2", "x")}, {"answer_type": "float", "precision": 2.0, "unit": "cm"}):
        first = grade(response, gold, **options)
        assert first == grade(response, gold, **options)
        assert first.answer is not None or not first.correct


@many
@given(texts, texts, texts)
def test_equality_is_symmetric_transitive_and_reflexive_on_answers(a, b, c):
    assert equal(a, b) == equal(b, a)
    assert equal(a, a) == (canonical_key(a) is not None)
    if equal(a, b) and equal(b, c):
        assert equal(a, c)


@many
@given(answers, st.sampled_from(["\\boxed{%s}", "<answer>%s</answer>", "%s"]))
def test_extraction_is_idempotent(answer, form):
    found = extract(form % answer)
    if found.text is not None and found.reason == "box":
        assert extract(f"\\boxed{{{found.text}}}").text == found.text
    assert tidy(tidy(answer)) == tidy(answer)
    assert clean(clean(answer)) == clean(answer)


@many
@given(texts)
def test_an_extracted_answer_can_be_written_to_a_file(text):
    found = extract(text)
    assert found.text is None or (found.text.encode("utf-8") and "\x00" not in found.text)


@many
@given(st.lists(st.one_of(st.none(), answers), max_size=12))
def test_a_vote_partitions_its_group(group):
    outcome = vote(group)
    assert sum(outcome.counts) + outcome.abstentions == len(group)
    for text, number in zip(group, outcome.classes, strict=True):
        members = [other for other, theirs in zip(group, outcome.classes, strict=True) if theirs == number]
        assert number is None or all(equal(text, other) for other in members)
    if outcome.winner is not None:
        assert outcome.counts[outcome.winner] == max(outcome.counts)
        assert outcome.label in group
        assert outcome.counts.count(max(outcome.counts)) == 1
