"""Each answer earns the share of its own class in the group, p(a).

EMPO (arXiv 2504.05812) with classes of equal answers in place of semantic clusters.
"""

from mmupt.rewards.group import Group, GroupRewards

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """There is no label; a group trains when anyone answered."""
    vote = group.vote
    earned = tuple(0.0 if number is None else vote.counts[number] / len(vote.classes) for number in vote.classes)
    return GroupRewards(earned, None, vote, trains=bool(vote.counts))
