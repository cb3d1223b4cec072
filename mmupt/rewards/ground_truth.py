"""Supervised GRPO's reward: 1 for an answer that the judge finds right, 0 for any other.

The only estimator that sees a gold.
"""

from collections.abc import Sequence

from mmupt.answers import grade_answer
from mmupt.rewards.group import Gold, Group, GroupRewards

NEEDS_GOLD = True


def rewards(group: Group, gold: Gold) -> GroupRewards:
    """Every group trains (one that is all right or all wrong has no advantage)."""
    earned = tuple(float(is_right(answer.text, gold, group.choices)) for answer in group.answers_G)
    return GroupRewards(earned, gold.answer, group.vote, trains=True)


def is_right(answer: str | None, gold: Gold, choices: Sequence[str]) -> bool:
    """The judge's verdict on an extracted answer; abstaining is never right."""
    if answer is None:
        return False
    return grade_answer(
        answer,
        gold.answer,
        answer_type=gold.answer_type,
        choices=choices,
        precision=gold.precision,
        unit=gold.unit,
    ).correct
