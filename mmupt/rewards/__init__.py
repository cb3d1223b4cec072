"""The answers of one group -> a reward for each completion. One estimator a file, found by its file name.

An estimator is a module with `NEEDS_GOLD: bool` and `def rewards(group: Group) -> GroupRewards`; only where
`NEEDS_GOLD` is true does it take a gold too, `def rewards(group: Group, gold: Gold)`. One with `NEEDS_CERTAINTY = True`
finds how sure the policy was of each completion in the group. `reward` is the one way in and refuses anything else.
"""

from mmupt.rewards.advantage import advantages
from mmupt.rewards.estimator import names, needs_certainty, needs_gold, reward
from mmupt.rewards.group import Certainty, Gold, Group, GroupRewards

__all__ = [
    "Certainty",
    "Gold",
    "Group",
    "GroupRewards",
    "advantages",
    "names",
    "needs_certainty",
    "needs_gold",
    "reward",
]
