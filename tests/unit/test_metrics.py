"""Accuracy, pass@k, maj@k and paired differences against worked numbers."""

from itertools import combinations
from random import Random

import pytest

from mmupt.metrics import accuracy, maj_at_k, paired_difference, pass_at_k, student, wilson
from mmupt.voting import vote


def test_accuracy_of_single_samples_has_wilsons_interval():
    result = accuracy([[True]] * 8 + [[False]] * 2)
    assert (result.mean, result.n) == (0.8, 10)
    assert (result.low, result.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)


def test_accuracy_of_several_samples_counts_each_problem_once():
    result = accuracy([[True, True], [False, False], [True, False]])
    assert result.mean == pytest.approx(0.5)
    assert (result.low, result.high) == (0.0, 1.0)
    once = accuracy([[True, False]] * 5 + [[True, True]] * 5)
    often = accuracy([[True, False] * 10] * 5 + [[True, True] * 10] * 5)
    assert (once.low, once.high) == pytest.approx((often.low, often.high))


def test_the_interval_covers_the_truth_about_95_times_in_100():
    draws = Random(3)
    hits = 0
    for _ in range(400):
        chances = [draws.random() for _ in range(60)]
        result = accuracy([[draws.random() < chance for _ in range(4)] for chance in chances])
        hits += result.low <= 0.5 <= result.high
    assert 0.92 <= hits / 400 <= 0.98


def test_pass_at_k_is_the_share_of_subsets_with_a_right_one():
    correct = [True, False, False, True, False]
    for k in range(1, 6):
        subsets = list(combinations(correct, k))
        assert pass_at_k([correct], k).mean == pytest.approx(sum(map(any, subsets)) / len(subsets))
    with pytest.raises(ValueError, match="at least 6 samples"):
        pass_at_k([correct], 6)


def test_maj_at_k_is_the_expected_verdict_on_the_vote():
    answers = ["5", "5.0", "4", None, "4", "5"]
    correct = [True, True, False, False, False, True]
    assert maj_at_k([answers], [correct], 6).mean == 1.0
    assert maj_at_k([answers], [correct], 1).mean == pytest.approx(0.5)
    for k in (3, 4, 5):
        subsets = list(combinations(range(6), k))
        wins = sum(vote([answers[g] for g in subset]).label in ("5", "5.0") for subset in subsets)
        assert maj_at_k([answers], [correct], k).mean == pytest.approx(wins / len(subsets))


def test_a_tie_is_not_right_under_maj_at_k():
    assert maj_at_k([["5", "4"]], [[True, False]], 2).mean == 0.0
    assert maj_at_k([[None, None]], [[False, False]], 2).mean == 0.0


def test_maj_at_k_knows_the_choices():
    assert maj_at_k([["B", "12 cm", "A"]], [[True, True, False]], 3, choices_P=[("10 cm", "12 cm")]).mean == 1.0


def test_maj_at_k_over_many_subsets_is_reproducible_and_close():
    answers = [["1"] * 7 + ["2"] * 6 + ["3"] * 3]
    correct = [[True] * 7 + [False] * 9]
    first = maj_at_k(answers, correct, 8).mean
    assert first == maj_at_k(answers, correct, 8).mean
    subsets = list(combinations(answers[0], 8))
    exact = sum(subset.count("1") > max(subset.count("2"), subset.count("3")) for subset in subsets) / len(subsets)
    assert first == pytest.approx(exact, abs=0.1)


def test_a_paired_difference_is_narrower_than_two_accuracies():
    before = [[n % 2 == 0] for n in range(100)]
    after = [[n % 2 == 0 or n % 10 == 1] for n in range(100)]
    result = paired_difference(after, before)
    assert result.mean == pytest.approx(0.10)
    assert (result.low, result.high) == pytest.approx((0.0402, 0.1598), abs=1e-3)
    with pytest.raises(ValueError, match="zip"):
        paired_difference(after, before[:-1])


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (4, 2.776), (5, 2.571), (7, 2.365), (9, 2.262), (30, 2.042), (999, 1.962)]
)
def test_students_quantile(freedom, quantile):
    assert student(freedom) == pytest.approx(quantile, abs=2e-3)


def test_several_samples_that_are_all_wrong_leave_room_for_doubt():
    nothing, all_right = accuracy([[False] * 3] * 5), accuracy([[True] * 3] * 5)
    assert (nothing.mean, nothing.low, nothing.high) == pytest.approx((0, 0, 0.4345), abs=1e-3)
    assert (all_right.mean, all_right.low, all_right.high) == pytest.approx((1, 0.5655, 1), abs=1e-3)


def test_no_problems_have_no_mean():
    with pytest.raises(ValueError, match="no problems"):
        accuracy([])
