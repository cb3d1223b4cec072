"""From texts to advantages and signals: what votes, what trains, what is counted."""

import math

import pytest

from mmupt.config.train import VoteConfig
from mmupt.training.groups import check_whole
from mmupt.training.records import GroupRecord
from mmupt.training.scoring import score_group
from mmupt.training.signals import vote_signals
from mmupt.types import Problem, Rollout


def rollouts(*texts: str) -> list[Rollout]:
    """One group; a text that ends in ... was cut off at max_tokens."""
    ends = ["length" if text.endswith("...") else "stop" for text in texts]
    return [
        Rollout("p", index, text, (1,) * (index + 1), (-0.5,) * (index + 1), end, index, 9)  # type: ignore[arg-type]
        for index, (text, end) in enumerate(zip(texts, ends, strict=True))
    ]


def scored(*texts: str, estimator: str = "majority", answer: str | None = None, tie: str = "abstain") -> GroupRecord:
    problem = Problem("p", "How many?", answer=answer)
    return score_group(problem, rollouts(*texts), estimator, VoteConfig(tie=tie), seed=0, step=0)  # type: ignore[arg-type]


HALF = "\\boxed{\\frac{1}{2}}"


def test_equal_answers_vote_together_and_earn_alike() -> None:
    record = scored(HALF, "\\boxed{0.5}", "\\boxed{7}", "\\boxed{8}")
    assert record.rewards_G == (1.0, 1.0, 0.0, 0.0)
    assert record.share == 0.5
    assert sum(record.advantages_G) == pytest.approx(0)
    assert record.advantages_G[0] == pytest.approx(math.sqrt(3) / 2, rel=1e-5)


def test_no_answer_never_wins_and_earns_nothing() -> None:
    record = scored("no idea", "none", "\\boxed{}", "\\boxed{4}")
    assert record.answers_G[:3] == (None, None, None)
    assert record.rewards_G == (0.0, 0.0, 0.0, 1.0)
    assert record.label == "4"


def test_a_cut_off_completion_abstains_though_it_holds_a_box() -> None:
    record = scored("\\boxed{4} and so on ...", "\\boxed{5}", "\\boxed{5}")
    assert record.reasons_G[0] == "truncated"
    assert record.rewards_G == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("texts", [("\\boxed{1}", "\\boxed{2}"), ("?", "?"), ("\\boxed{3}", "\\boxed{3}")])
def test_a_tie_an_empty_vote_and_a_unanimous_one_give_no_gradient(texts: tuple[str, str]) -> None:
    record = scored(*texts)
    assert record.advantages_G == (0.0, 0.0)
    assert record.idle


def test_the_tie_rule_is_that_of_the_settings() -> None:
    assert scored("\\boxed{1}", "\\boxed{2}", tie="first").rewards_G == (1.0, 0.0)


def test_only_an_estimator_that_needs_a_gold_sees_it() -> None:
    assert scored("\\boxed{1}", "\\boxed{2}", "\\boxed{2}", answer="1").rewards_G == (0.0, 1.0, 1.0)
    assert scored("\\boxed{1}", "\\boxed{2}", "\\boxed{2}", answer="1", estimator="ground_truth").rewards_G == (
        1.0,
        0.0,
        0.0,
    )


def test_signals_by_hand() -> None:
    found = vote_signals(
        [scored("\\boxed{1}", "\\boxed{1}", "?"), scored("\\boxed{1}", "\\boxed{2}", "\\boxed{3} ...")]
    )
    assert found["reward"] == pytest.approx(2 / 6)
    assert found["vote_share"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["abstention"] == pytest.approx(2 / 6)
    assert (found["tie_rate"], found["no_winner_rate"]) == (0.5, 0.5)
    assert found["common_answer_share"] == pytest.approx(3 / 6)
    assert found["answer_entropy"] == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert (found["length"], found["truncation"]) == (2.0, pytest.approx(1 / 6))
    assert found["sampled_nll"] == 0.5


def test_one_answer_to_every_question_shows() -> None:
    found = vote_signals([scored("\\boxed{9}", "\\boxed{9}")] * 5)
    assert (found["common_answer_share"], found["answer_entropy"]) == (1.0, 0.0)


def test_a_sampler_that_splits_a_group_stops_the_run() -> None:
    with pytest.raises(AssertionError, match="split the group of problem p"):
        check_whole(rollouts("a", "b")[:1], "p", 2)
