"""A vote in which each completion counts as much as the model was sure of it; 1 for the winning class, 0 for any other.

The weight is exp(mean log-prob of the completion's tokens): its probability, with the length taken out (the sequence
probability of CISC, arXiv 2502.06233, without its softmax). The rules of the vote hold; the share is that of weights.
"""

from math import exp

from mmupt.rewards import majority
from mmupt.rewards.group import Group, GroupRewards
from mmupt.voting import vote

NEEDS_GOLD = False
NEEDS_CERTAINTY = True


def rewards(group: Group) -> GroupRewards:
    """A group without a winner earns nothing and does not train."""
    rules = group.rules
    ballot = vote(
        group.answers_G,
        choices=group.choices,
        tie=rules.tie,
        min_count=rules.min_count,
        min_share=rules.min_share,
        weights=[exp(each.logprob) for each in group.certainties_G or ()],
    )
    return majority.counted(ballot)
