"""Rewards of a group -> GRPO's advantages (DeepSeekMath, arXiv 2402.03300, section 4.1.2), as MM-UPT runs them.

(r - mean) / (std + 1e-6), with the unbiased standard deviation.
"""

from collections.abc import Sequence
from math import sqrt

EPSILON = 1e-6


def advantages(rewards_G: Sequence[float]) -> tuple[float, ...]:
    """The advantage of each completion of one group; zeros where all rewards are the same, and for a group of one."""
    if len(rewards_G) < 2 or min(rewards_G) == max(rewards_G):
        return (0.0,) * len(rewards_G)
    mean = sum(rewards_G) / len(rewards_G)
    std = sqrt(sum((reward - mean) ** 2 for reward in rewards_G) / (len(rewards_G) - 1))
    return tuple((reward - mean) / (std + EPSILON) for reward in rewards_G)
