"""The collapse guard on observations made by hand: what sounds, when, and which checkpoint is good."""

import math

import pytest

from mmupt.config.guard import GuardConfig
from mmupt.config.train import TrainConfig
from mmupt.errors import UserError
from mmupt.training.guard import Reading, first_alarm, last_good, readings
from mmupt.training.observation import Observation, observed
from mmupt.training.scoring import score_group
from mmupt.types import Problem, Rollout

CALM = {"answer_entropy": 3.0, "abstention": 0.05, "truncation": 0.0, "length": 100.0, "kl": 0.01}


def seen(step: int, common: int = 10, votes: int = 1, **signals: float | None) -> Observation:
    """A step of 10 questions and 100 completions, `common` of them and `votes` of the votes being one answer."""
    others = {f"n{step}{number}": 1 for number in range(10)}
    labels = {"20": votes, **dict.fromkeys(list(others)[: 10 - votes], 1)}
    return Observation(step, 100, 10, {"20": common, **others}, labels, {**CALM, **signals})


def read(*observations: Observation, **settings: object) -> list[Reading]:
    return readings(observations, GuardConfig(**settings))  # type: ignore[arg-type]


def test_one_answer_that_comes_back_in_every_step_sounds() -> None:
    found = read(seen(1), seen(2, 20), seen(3, 45), seen(4, 49))
    # (10 + 20 + 45 + 49) / 400 = 0.31, which is 0.21 above the first step's 0.10.
    assert found[3].values["common_answer_rise"] == pytest.approx(0.21)
    assert (found[3].alarm, found[3].common_answer) == ("common_answer_rise", "20")
    assert [reading.alarm for reading in found[:3]] == [None] * 3


def test_a_common_answer_of_its_own_in_each_step_does_not_sound() -> None:
    steps = [Observation(n, 100, 10, {f"a{n}": 40}, {f"a{n}": 3}, CALM) for n in range(1, 9)]
    assert first_alarm(readings(steps, GuardConfig(vote_amplification=None))) is None


def test_votes_that_choose_one_label_far_more_often_than_it_is_given_sound() -> None:
    # 6 of 10 labels, given by 20 of 100 completions; nothing has risen yet.
    found = read(*[seen(step, 20, 6) for step in range(1, 5)])
    assert found[3].values["vote_amplification"] == pytest.approx(0.4)
    assert found[3].alarm == "vote_amplification"
    assert found[3].strains["common_answer_rise"] == 0


def test_a_question_of_yes_or_no_is_no_collapse() -> None:
    steps = [Observation(n, 100, 10, {"yes": 52, "no": 48}, {"yes": 6, "no": 4}, CALM) for n in range(1, 9)]
    assert first_alarm(readings(steps, GuardConfig())) is None


@pytest.mark.parametrize(
    ("signal", "beyond", "name", "value"),
    [
        ("answer_entropy", 1.5, "entropy_fall", 0.5),
        ("abstention", 0.26, "abstention_rise", 0.21),
        ("truncation", 0.25, "truncation_rise", 0.25),
        ("kl", 0.6, "kl", 0.6),
        ("length", 500.0, "length_factor", 5.0),
        ("length", 20.0, "length_factor", 5.0),
    ],
)
def test_each_signal_has_its_limit(signal: str, beyond: float, name: str, value: float) -> None:
    found = read(seen(1), seen(2, **{signal: beyond}), window=1)
    assert found[1].values[name] == pytest.approx(value)
    assert found[1].alarm == name
    assert read(seen(1), seen(2, **{signal: beyond}), window=1, **{name: None})[1].alarm is None


def test_a_signal_that_is_not_known_is_not_watched() -> None:
    found = read(*[seen(step, kl=None) for step in range(1, 6)])
    assert "kl" not in found[4].values and found[4].alarm is None


def test_the_strain_is_the_part_of_the_way_to_the_limit() -> None:
    found = read(seen(1), seen(2, abstention=0.15, length=200.0), window=1)
    assert found[1].strains["abstention_rise"] == pytest.approx(0.5)
    assert found[1].strains["length_factor"] == pytest.approx(math.log(2) / math.log(4))


def test_a_checkpoint_is_good_while_it_and_the_rollouts_from_it_are_calm() -> None:
    # The rises over the first step are 0, 0.1, 0.14, 0.16 and 0.3, the limit is 0.2 and good is below 0.15.
    found = read(*[seen(step, common) for step, common in enumerate((10, 20, 24, 26, 40), start=1)], window=1)
    assert [last_good(found, range(1, saved + 1)) for saved in range(1, 6)] == [1, 2, 2, 2, 2]
    assert last_good(found[:2], [1, 2]) == 1  # of the rollouts of step 2 nothing is known yet
    assert last_good(found, [4, 5]) is None


def test_an_observation_counts_answers_and_votes_and_survives_its_row() -> None:
    def group(id: str, *texts: str) -> object:
        rollouts = [Rollout(id, n, f"\\boxed{{{text}}}", (1,), (), "stop", n, 9) for n, text in enumerate(texts)]
        config = TrainConfig(group_size=3, estimator="ground_truth")
        return score_group(Problem(id, "?", answer="7"), rollouts, config, 0)

    records = [group("a", "0.5", "1/2", "3"), group("b", "1", "2", "3"), group("c", "", "", "1/2")]
    found = observed(4, records, {**CALM, "reward": 1.0})  # type: ignore[arg-type]
    assert (found.completions, found.groups) == (9, 3)
    assert sorted(found.answers.values()) == [1, 1, 2, 3]
    assert found.votes == {next(iter(found.answers)): 2}  # the gold is in no count
    assert found.signals == CALM
    assert Observation.of(found.row()) == found


@pytest.mark.parametrize(("name", "value"), [("window", 0), ("kl", 0.0), ("length_factor", 1.0), ("entropy_fall", -1)])
def test_a_limit_that_allows_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f"guard.{name}"):
        GuardConfig(**{name: value})  # type: ignore[arg-type]
