"""Each answer earns its share of the group to a power, p(a)^c (EvoLMM has c = 0.7).

Below 1 the power lifts small shares, so that a group in doubt is pushed less hard to one side than by `soft`; above 1
it comes close to the hard vote.
"""

from mmupt.rewards import soft
from mmupt.rewards.group import Group, GroupRewards

NEEDS_GOLD = False


def rewards(group: Group) -> GroupRewards:
    """There is no label; a group trains when anyone answered."""
    shares = soft.rewards(group)
    earned = tuple(share**group.settings.power if share else 0.0 for share in shares.rewards_G)
    return GroupRewards(earned, None, group.vote, shares.trains)
