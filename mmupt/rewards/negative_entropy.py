"""Low entropy of the tokens' distributions is paid: 1 - H / log(vocabulary), the mean over tokens (RENT, arXiv
2505.22660).

RENT's reward is -H; ours differs by a shift and a scale, which advantages do not feel. No vote is taken. Unlike there,
a completion without an answer earns 0: one that repeats itself up to the limit has the lowest entropy of all.
"""

from mmupt.rewards.group import Group, GroupRewards

NEEDS_GOLD = False
NEEDS_CERTAINTY = True


def rewards(group: Group) -> GroupRewards:
    """A group trains when anyone answered."""
    sure = [1.0 - each.entropy for each in group.certainties_G or ()]
    classes = group.vote.classes
    earned = tuple(0.0 if number is None else value for number, value in zip(classes, sure, strict=True))
    return GroupRewards(earned, None, group.vote, trains=bool(group.vote.counts))
