"""How far the model was from guessing: the mean over tokens of KL(uniform || policy) (INTUITOR, arXiv 2505.19590).

No vote is taken. Unlike there, a completion without an answer earns 0: one that repeats itself up to the limit is the
surest of all.
"""

from mmupt.rewards.group import Group, GroupRewards

NEEDS_GOLD = False
NEEDS_CERTAINTY = True


def rewards(group: Group) -> GroupRewards:
    """In nats; a group trains when anyone answered."""
    sure = [each.uniform_kl for each in group.certainties_G or ()]
    classes = group.vote.classes
    earned = tuple(0.0 if number is None else value for number, value in zip(classes, sure, strict=True))
    return GroupRewards(earned, None, group.vote, trains=bool(group.vote.counts))
