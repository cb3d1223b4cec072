"""From texts to advantages and signals: what votes, what trains, what is counted."""

import math

import pytest

from mmupt.config.train import TrainConfig, VoteConfig
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


def scored(*texts: str, answer: str | None = None, group_size: int | None = None, **settings: object) -> GroupRecord:
    """One scored group; `settings` beside `estimator` are those of the vote."""
    estimator = str(settings.pop("estimator", "majority"))
    policy = VoteConfig(**settings)  # type: ignore[arg-type]
    size = group_size or len(texts)
    config = TrainConfig(estimator=estimator, group_size=size, vote_samples=len(texts), vote=policy)
    return score_group(Problem("p", "How many?", answer=answer), rollouts(*texts), config, 0)


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


def test_all_vote_and_the_first_are_trained_on() -> None:
    record = scored("\\boxed{1}", "\\boxed{2}", "\\boxed{2}", "\\boxed{2}", "?", group_size=2)
    assert (record.label, record.share) == ("2", 0.6)
    assert record.rewards_G == (0.0, 1.0, 1.0, 1.0, 0.0)
    assert record.advantages_G == pytest.approx((-math.sqrt(0.5), math.sqrt(0.5)), rel=1e-5)
    assert [row["advantage"] is None for row in record.rows(1)] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("policy", "trains"),
    [
        ({}, True),
        ({"min_count": 3}, False),
        ({"min_share": 0.5}, True),
        ({"min_share": 0.51}, False),
        ({"band": (0.3, 0.5)}, True),
        ({"band": (0.0, 0.4)}, False),
        ({"band": (0.6, 1.0)}, False),
        ({"band": (0.6, 1.0), "estimator": "soft"}, False),
        ({"min_count": 3, "estimator": "soft"}, True),
    ],
)
def test_which_groups_train_is_a_matter_of_policy(policy: dict[str, object], trains: bool) -> None:
    record = scored("\\boxed{1}", "\\boxed{1}", "\\boxed{2}", "?", **policy)
    assert (record.trains, record.idle) == (trains, not trains)


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
    assert found["groups_idle"] == 1
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
