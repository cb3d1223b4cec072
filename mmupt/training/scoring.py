"""Rollouts of one group -> answers, vote, rewards, advantages. The same extractor and vote as everywhere else."""

from collections.abc import Sequence

from mmupt.answers import canonical_key, extract
from mmupt.config.train import VoteConfig
from mmupt.rewards import Gold, Group, advantages, needs_gold, reward
from mmupt.training.records import GroupRecord
from mmupt.types import Problem, Rollout
from mmupt.voting import vote


def score_group(
    problem: Problem, rollouts: Sequence[Rollout], estimator: str, rules: VoteConfig, *, seed: int, step: int
) -> GroupRecord:
    """One whole group. A gold is passed on only to an estimator that says that it uses one; for others the problem has
    none."""
    choices = problem.choices
    answers = tuple(extract(one.text, truncated=one.finish_reason == "length", choices=choices) for one in rollouts)
    ballot = vote(answers, choices=choices, tie=rules.tie, min_count=rules.min_count, min_share=rules.min_share)
    group = Group(problem.id, answers, ballot, choices, seed=seed, step=step)
    earned = reward(estimator, group, Gold.of(problem) if needs_gold(estimator) else None)
    keys = tuple(None if answer.text is None else canonical_key(answer.text, choices=choices) for answer in answers)
    return GroupRecord(
        problem_id=problem.id,
        rollouts_G=tuple(rollouts),
        answers_G=tuple(answer.text for answer in answers),
        reasons_G=tuple(answer.reason for answer in answers),
        keys_G=keys,
        rewards_G=earned.rewards_G,
        advantages_G=advantages(earned.rewards_G) if earned.trains else (0.0,) * len(rollouts),
        label=earned.label,
        share=ballot.share,
        tie=ballot.tie,
        winner=ballot.winner is not None,
    )
