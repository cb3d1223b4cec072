"""MM-UPT's reward (arXiv 2505.22453, section 3): 1 for an answer of the winning class, 0 for any other.

Unlike its public code, "no answer" never votes and classes hold equal answers, not equal strings.
"""

from mmupt.rewards.group import Group, GroupRewards
from mmupt.types import Vote

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """A group without a winner earns nothing and does not train."""
    return counted(group.vote)


def counted(vote: Vote) -> GroupRewards:
    """What the classes of a vote earn."""
    wins = vote.winner is not None
    earned = tuple(float(wins and number == vote.winner) for number in vote.classes)
    return GroupRewards(earned, vote.label, vote, trains=wins)
