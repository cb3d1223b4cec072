"""A control: 1 for any answer at all. It shows what is gained by learning the format alone."""

from mmupt.rewards.group import Group, GroupRewards

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """There is no label; a group trains when anyone answered."""
    vote = group.vote
    return GroupRewards(
        tuple(float(number is not None) for number in vote.classes), None, vote, trains=bool(vote.counts)
    )
