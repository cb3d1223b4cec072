"""Supervised GRPO's reward: 1 for an answer that the judge finds right, 0 for any other.

The only estimator that sees a gold.
"""

from mmupt.answers import grade_answer
from mmupt.rewards.group import Gold, Group, GroupRewards

NEEDS_GOLD = True


def rewards(group: Group, gold: Gold) -> GroupRewards:
    """Every group trains (one that is all right or all wrong has no advantage)."""
    earned = tuple(
        0.0 if answer.text is None else float(_right(answer.text, group, gold)) for answer in group.answers_G
    )
    return GroupRewards(earned, gold.answer, group.vote, trains=True)


def _right(answer: str, group: Group, gold: Gold) -> bool:
    return grade_answer(
        answer,
        gold.answer,
        answer_type=gold.answer_type,
        choices=group.choices,
        precision=gold.precision,
        unit=gold.unit,
    ).correct
