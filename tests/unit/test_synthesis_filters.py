"""Near-duplicates, the band of vote shares, and the draw of sources."""

import pytest

from mmupt.config.synthesize import FilterConfig
from mmupt.errors import UserError
from mmupt.synthesis.filters import Seen, gist, overlap, vote_fault
from mmupt.synthesis.sources import draw
from mmupt.types import Problem
from mmupt.voting import vote

THRESHOLD = FilterConfig().duplicate
PAIRS = [
    ("the same", "How long is AB?", "How long is AB?", True),
    ("case and marks", "How long is AB?", "how  long is AB", True),
    (
        "one word more",
        "What is the area of the shaded square of side 5?",
        "What is the area of the square of side 5?",
        True,
    ),
    ("another label", "How long is AB?", "How long is AC?", False),
    ("another number", "What is the area of a square with side 5?", "What is the area of a square with side 6?", False),
    ("other order", "How much more is P than R in the chart?", "How much more is R than P in the chart?", False),
    (
        "one word exchanged",
        "How long is the way around the blue one?",
        "How long is the way around the red one?",
        False,
    ),
    ("another word of few", "How many red shapes are there?", "How many blue shapes are there?", False),
    ("another question", "What is the perimeter of ABCD?", "Find the area of ABCD.", False),
    ("chinese", "求三角形的面积", "求三角形的周长", False),
]


@pytest.mark.parametrize(("one", "other", "near"), [row[1:] for row in PAIRS], ids=[row[0] for row in PAIRS])
def test_near_duplicates(one: str, other: str, near: bool) -> None:
    for first, second in ((one, other), (other, one)):
        seen = Seen(THRESHOLD)
        assert seen.is_new("picture", first)
        assert seen.is_new("picture", second) is not near


def test_the_overlap_counts_tokens() -> None:
    assert overlap(gist("a b b c"), gist("b b c d")) == pytest.approx(3 / 5)
    assert overlap(gist("?"), gist("!")) == 1.0


def test_the_source_counts_for_its_own_questions_only() -> None:
    seen = Seen(THRESHOLD)
    assert not seen.is_new("picture", "How long is AB?", source="how long is AB")
    assert seen.is_new("picture", "How long is AB?")
    assert seen.is_new("another picture", "How long is AB?")


def test_a_threshold_above_one_switches_the_filter_off() -> None:
    seen = Seen(1.1)
    assert seen.is_new("p", "How long?") and seen.is_new("p", "How long?")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["5"] * 10, "vote-above"),
        (["5"] * 8 + ["6", "7"], None),
        (["5"] * 3 + list("12346789")[:7], None),
        (["5"] * 2 + list("12346789"), "vote-below"),
        ([None] * 10, "vote-below"),
    ],
)
def test_the_vote_share_must_lie_within_the_band(answers: list[str | None], expected: str | None) -> None:
    assert vote_fault(vote(answers), 0.3, 0.8) == expected


def test_the_draw_depends_on_seed_and_ids_and_keeps_the_order() -> None:
    sources = tuple(Problem(str(number), "") for number in range(50))
    drawn = draw(sources, 10, 0, what="pictures", where="s")
    assert drawn == draw(sources, 10, 0, what="pictures", where="s") != draw(sources, 10, 1, what="pictures", where="s")
    assert [int(source.id) for source in drawn] == sorted(int(source.id) for source in drawn)
    more = {source.id for source in draw(sources, 11, 0, what="pictures", where="s")}
    assert {source.id for source in drawn} < more


def test_more_pictures_than_there_are_cannot_be_drawn() -> None:
    with pytest.raises(UserError, match="count = 3 pictures are asked for, but there are 2; set count to 2 or less"):
        draw((Problem("a", ""), Problem("b", "")), 3, 0, what="pictures", where="s")
