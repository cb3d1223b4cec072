"""Rollouts of one group -> answers, vote, rewards, advantages. The same extractor and vote as everywhere else."""

from collections.abc import Sequence

from mmupt.answers import canonical_key, extract
from mmupt.config.train import TrainConfig
from mmupt.rewards import Certainty, Gold, Group, advantages, needs_gold, reward
from mmupt.training.records import GroupRecord
from mmupt.types import Problem, Rollout
from mmupt.voting import vote


def score_group(
    problem: Problem,
    rollouts: Sequence[Rollout],
    config: TrainConfig,
    step: int,
    certainties: Sequence[Certainty] | None = None,
) -> GroupRecord:
    """One whole group: all of its rollouts vote, and the first `group_size` of them get advantages.

    A gold is passed on only to an estimator that says that it uses one; for others the problem has none.
    """
    choices, rules = problem.choices, config.vote
    answers = tuple(extract(one.text, truncated=one.finish_reason == "length", choices=choices) for one in rollouts)
    group = Group(
        problem_id=problem.id,
        answers_G=answers,
        vote=vote(answers, choices=choices, tie=rules.tie, min_count=rules.min_count, min_share=rules.min_share),
        choices=choices,
        seed=config.seed,
        step=step,
        certainties_G=None if certainties is None else tuple(certainties),
        rules=rules,
        settings=config.reward,
    )
    earned = reward(config.estimator, group, Gold.of(problem) if needs_gold(config.estimator) else None)
    ballot = earned.vote
    trains = earned.trains and rules.band[0] <= ballot.share <= rules.band[1]
    trained = earned.rewards_G[: config.group_size]
    return GroupRecord(
        problem_id=problem.id,
        rollouts_G=tuple(rollouts),
        answers_G=tuple(answer.text for answer in answers),
        reasons_G=tuple(answer.reason for answer in answers),
        keys_G=tuple(None if one.text is None else canonical_key(one.text, choices=choices) for one in answers),
        rewards_G=earned.rewards_G,
        advantages_G=advantages(trained) if trains else (0.0,) * len(trained),
        label=earned.label,
        share=ballot.share,
        tie=ballot.tie,
        winner=ballot.winner is not None,
        trains=trains,
    )
