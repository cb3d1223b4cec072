"""The estimators: what each completion earns, and that nothing but ground truth sees a gold."""

import inspect
from dataclasses import replace

import pytest

from mmupt import registry
from mmupt.answers import extract
from mmupt.config.train import RewardConfig, TrainConfig, VoteConfig
from mmupt.errors import UserError
from mmupt.rewards import Certainty, Gold, Group, advantages, names, needs_certainty, needs_gold, reward
from mmupt.voting import vote

RULES, NUMBERS = VoteConfig(), RewardConfig()


def group(*texts, sure=None, rules=RULES, settings=NUMBERS, **more):
    """`sure`: the mean log-prob of each completion; by default all are alike."""
    answers = tuple(extract(text, choices=more.get("choices", ())) for text in texts)
    ballot = vote(answers, choices=more.get("choices", ()), min_count=rules.min_count, min_share=rules.min_share)
    known = tuple(Certainty(value, -value / 4, -10 * value) for value in sure or [-0.5] * len(texts))
    return Group("p1", answers, ballot, certainties_G=known, rules=rules, settings=settings, **more)


FOUR = ("\\boxed{1/2}", "\\boxed{0.5}", "I give up", "\\boxed{3}")


def test_the_estimators_are_found_by_their_file_names():
    assert names() == [
        "any_box",
        "certainty_vote",
        "ground_truth",
        "majority",
        "negative_entropy",
        "power",
        "random_answer",
        "random_sample",
        "self_certainty",
        "soft",
        "threshold",
    ]


def test_majority_pays_the_winning_class_alone():
    result = reward("majority", group(*FOUR))
    assert result.rewards_G == (1.0, 1.0, 0.0, 0.0)
    assert (result.label, result.trains) == ("1/2", True)


@pytest.mark.parametrize("texts", [("a", "b"), ("\\boxed{1}", "\\boxed{2}"), ("\\boxed{}", "\\boxed{None", "")])
def test_a_group_without_a_winner_pays_nothing_and_does_not_train(texts):
    result = reward("majority", group(*texts))
    assert set(result.rewards_G) == {0.0}
    assert (result.label, result.trains) == (None, False)


def test_abstaining_earns_nothing_under_any_estimator():
    for name in names():
        result = reward(name, group(*FOUR), Gold("0.5") if needs_gold(name) else None)
        assert result.rewards_G[2] == 0.0, name


def test_soft_pays_the_share_of_the_own_class():
    assert reward("soft", group(*FOUR)).rewards_G == (0.5, 0.5, 0.0, 0.25)


def test_power_pays_the_share_to_a_power():
    assert reward("power", group(*FOUR)).rewards_G == pytest.approx((0.61557, 0.61557, 0.0, 0.37893), abs=1e-5)
    squared = group(*FOUR, settings=RewardConfig(power=2))
    assert reward("power", squared).rewards_G == (0.25, 0.25, 0.0, 0.0625)
    assert not reward("power", group("", "")).trains


def test_threshold_is_hard_from_a_share_on_and_soft_below():
    half = RewardConfig(threshold=0.5)
    assert reward("threshold", group(*FOUR)) == reward("soft", group(*FOUR))
    assert reward("threshold", group(*FOUR, settings=half)) == reward("majority", group(*FOUR))
    strict = group(*FOUR, settings=half, rules=VoteConfig(min_count=3))
    assert reward("threshold", strict).rewards_G == (0.5, 0.5, 0.0, 0.25)


def test_a_sure_minority_wins_the_certainty_vote():
    # exp(-2) + exp(-2) = 0.27 for one half, exp(-0.1) = 0.90 for three, exp(-0.5) = 0.61 abstains.
    result = reward("certainty_vote", group(*FOUR, sure=(-2.0, -2.0, -0.5, -0.1)))
    assert result.rewards_G == (0.0, 0.0, 0.0, 1.0)
    assert (result.label, result.trains) == ("3", True)
    assert result.vote.share == pytest.approx(0.90484 / (2 * 0.13534 + 0.60653 + 0.90484), abs=1e-4)
    assert result.vote.counts == (2, 1)


def test_equal_certainty_leaves_the_vote_as_it_was():
    assert reward("certainty_vote", group(*FOUR)).rewards_G == reward("majority", group(*FOUR)).rewards_G
    two = group(*FOUR, sure=(-2.0, -2.0, -0.5, -0.1), rules=VoteConfig(min_count=2))
    assert not reward("certainty_vote", two).trains
    most = group(*FOUR, sure=(-2.0, -2.0, -0.5, -0.1), rules=VoteConfig(min_share=0.6))
    assert not reward("certainty_vote", most).trains


def test_self_certainty_and_negative_entropy_pay_sure_completions_that_answer():
    sure = group(*FOUR, sure=(-2.0, -1.0, -0.1, -0.4))
    assert reward("self_certainty", sure).rewards_G == (20.0, 10.0, 0.0, 4.0)
    assert reward("negative_entropy", sure).rewards_G == pytest.approx((0.5, 0.75, 0.0, 0.9))
    for name in ("self_certainty", "negative_entropy"):
        assert reward(name, sure).trains and reward(name, sure).label is None
        assert not reward(name, group("", "")).trains


def test_an_estimator_that_needs_certainties_says_so():
    assert [name for name in names() if needs_certainty(name)] == [
        "certainty_vote",
        "negative_entropy",
        "self_certainty",
    ]
    with pytest.raises(ValueError, match="was not told how certain"):
        reward("self_certainty", replace(group(*FOUR), certainties_G=None))


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (lambda: VoteConfig(min_count=0), "min_count = 0"),
        (lambda: VoteConfig(min_share=1.5), "min_share = 1.5"),
        (lambda: VoteConfig(band=(0.8, 0.3)), "no band of shares"),
        (lambda: RewardConfig(power=0), "power = 0"),
        (lambda: RewardConfig(threshold=-0.1), "threshold = -0.1"),
        (lambda: TrainConfig(group_size=32, vote_samples=16), "vote_samples = 16 is fewer"),
        (lambda: TrainConfig(vote=VoteConfig(min_count=11)), "can never be reached by 10"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(section, told):
    with pytest.raises(UserError, match=told):
        section()


def test_any_box_pays_every_answer():
    assert reward("any_box", group(*FOUR)).rewards_G == (1.0, 1.0, 0.0, 1.0)
    assert not reward("any_box", group("", "")).trains


def test_ground_truth_pays_what_the_judge_finds_right():
    assert reward("ground_truth", group(*FOUR), Gold("3")).rewards_G == (0.0, 0.0, 0.0, 1.0)
    letters = group("\\boxed{B}", "\\boxed{12 cm}", "\\boxed{A}", choices=("10 cm", "12 cm"))
    assert reward("ground_truth", letters, Gold("12 cm")).rewards_G == (1.0, 1.0, 0.0)


def test_a_random_sample_is_drawn_by_seed_step_and_problem():
    steps = [reward("random_sample", group(*FOUR, step=step)) for step in range(200)]
    assert steps == [reward("random_sample", group(*FOUR, step=step)) for step in range(200)]
    assert {result.label for result in steps} == {"1/2", "0.5", "3", None}
    untrained = [result for result in steps if not result.trains]
    assert 30 <= len(untrained) <= 70  # one completion of four abstains
    assert all(set(result.rewards_G) == {0.0} for result in untrained)
    assert {result.rewards_G for result in steps if result.label == "0.5"} == {(1.0, 1.0, 0.0, 0.0)}


def test_a_random_answer_is_drawn_evenly_from_the_different_answers():
    drawn = [reward("random_answer", group(*FOUR, "\\boxed{0.5}", step=step)) for step in range(400)]
    labels = [result.label for result in drawn]
    assert 160 <= labels.count("3") <= 240 and labels.count("1/2") == 400 - labels.count("3")
    assert {result.rewards_G for result in drawn if result.label == "3"} == {(0.0, 0.0, 0.0, 1.0, 0.0)}
    assert not reward("random_answer", group("", "")).trains


def test_only_ground_truth_can_be_given_a_gold():
    assert [name for name in names() if needs_gold(name)] == ["ground_truth"]
    for name in names():
        takes = inspect.signature(registry.load("mmupt.rewards", name).rewards).parameters
        assert ("gold" in takes) == needs_gold(name)
        if not needs_gold(name):
            with pytest.raises(ValueError, match="must not see a gold"):
                reward(name, group(*FOUR), Gold("3"))


def test_a_missing_gold_is_the_users_mistake():
    with pytest.raises(UserError, match="needs gold answers"):
        reward("ground_truth", group(*FOUR))


def test_an_unknown_estimator_names_the_nearest():
    with pytest.raises(UserError, match="majority"):
        reward("majorty", group(*FOUR))


def test_advantages_are_centred_and_scaled_by_the_unbiased_deviation():
    result = advantages([1.0, 1.0, 0.0, 0.0])
    assert result == pytest.approx((0.8660, 0.8660, -0.8660, -0.8660), abs=1e-4)
    assert sum(result) == pytest.approx(0.0)


@pytest.mark.parametrize("constant", [(1.0,) * 10, (0.0,) * 10, (0.3,) * 3, (1.0,), ()])
def test_a_constant_group_has_no_advantage(constant):
    assert advantages(constant) == (0.0,) * len(constant)
