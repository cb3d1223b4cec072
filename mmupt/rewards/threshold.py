"""Hard where the vote is clear, soft where it is not (Self-Judge has 0.85).

From a vote share of `reward.threshold` on, the winning answer earns 1 and any other 0; below it, each answer earns its
share.
"""

from mmupt.rewards import majority, soft
from mmupt.rewards.group import Group, GroupRewards

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """A clear vote that the rules give no winner is no clear vote."""
    clear = group.vote.winner is not None and group.vote.share >= group.settings.threshold
    return majority.rewards(group) if clear else soft.rewards(group)
