"""The estimators: what each completion earns, and that nothing but ground truth sees a gold."""

import inspect

import pytest

from mmupt import registry
from mmupt.answers import extract
from mmupt.errors import UserError
from mmupt.rewards import Gold, Group, advantages, names, needs_gold, reward
from mmupt.voting import vote


def group(*texts, step=0, seed=0, choices=()):
    answers = tuple(extract(text, choices=choices) for text in texts)
    return Group("p1", answers, vote(answers, choices=choices), choices=choices, seed=seed, step=step)


FOUR = ("\\boxed{1/2}", "\\boxed{0.5}", "I give up", "\\boxed{3}")


def test_the_estimators_are_found_by_their_file_names():
    assert names() == ["any_box", "ground_truth", "majority", "random_answer", "random_sample", "soft"]


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
