"""The audit's numbers and its verdict, from votes made by hand."""

import pytest

from mmupt.config.audit import AuditConfig, AuditLimits
from mmupt.errors import UserError
from mmupt.voting import vote
from mmupt.voting.survey import Ballot, Survey, doubts, survey


def asked(*questions: str) -> Survey:
    """One question a word, one answer a letter; a dot abstains."""
    ballots = []
    for letters in questions:
        keys = tuple(None if letter == "." else letter for letter in letters)
        ballots.append(Ballot(vote(keys), keys))
    return survey(ballots)


def test_the_numbers_by_hand() -> None:
    found = asked("aaab", "aabb", "cccc", "a...", "....")
    assert (found.questions, found.completions) == (5, 20)
    assert found.abstention == pytest.approx(7 / 20)
    assert found.vote_share == pytest.approx((0.75 + 0.5 + 1 + 0.25 + 0) / 5)
    assert found.share_histogram == (1, 0, 1, 0, 0, 1, 0, 1, 0, 1)
    assert (found.no_winner, found.unanimous, found.useful) == pytest.approx((0.4, 0.2, 0.4))
    assert (found.common_answer, found.common_answer_share) == ("a", 6 / 20)
    assert (found.common_label, found.common_label_share) == ("a", pytest.approx(2 / 3))
    assert found.amplification == pytest.approx(2 / 3 - 6 / 20)


def test_a_favourite_answer_that_wins_everywhere_is_a_doubt() -> None:
    scattered = asked("aaxyz", "aauvw", "aapqr", "bbbst")
    (doubt,) = doubts(scattered, AuditLimits())
    assert "votes choose a for 75% of the questions, which is 45 points more" in doubt
    assert doubts(asked("aaxyz", "bbuvw", "ccpqr", "dddst", "eekln"), AuditLimits()) == []


def test_silence_and_unanimity_are_doubts() -> None:
    silent, agreed = (
        doubts(asked("a...", "b...", "c..."), AuditLimits(useful=0.0, amplification=1.0)),
        asked("aaa", "bbb", "ccc"),
    )
    assert silent == ["75% of the completions give no answer"]
    assert doubts(agreed, AuditLimits()) == ["only 0% of the questions have a winner and someone who disagrees"]


def test_nobody_answers_at_all() -> None:
    found = asked("..", "..")
    assert (found.common_answer, found.common_label, found.amplification) == (None, None, 0.0)
    assert len(doubts(found, AuditLimits())) == 2


@pytest.mark.parametrize("setting", [{"samples": 1}, {"limit": 0}, {"chunk_size": 0}])
def test_an_audit_that_cannot_vote_is_refused(setting: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(setting))):
        AuditConfig(**setting)  # type: ignore[arg-type]
