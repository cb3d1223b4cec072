"""Scores of tokens -> how sure the policy was of each completion."""

import math
from collections.abc import Sequence

from mmupt.rewards import Certainty
from mmupt.training.scores import EncodedGroup, TokenScores


def certainties_of(scores: TokenScores, groups: Sequence[EncodedGroup]) -> list[tuple[Certainty, ...]]:
    """For each group, the means over the tokens of each completion."""
    seen = scores.statistics
    assert seen is not None
    largest = math.log(scores.vocabulary)
    logps, entropies, kls = (each.tolist() for each in (scores.logps_N.detach(), seen.entropies_N, seen.uniform_kl_N))
    found, start = [], 0
    for group in groups:
        members = []
        for completion in group.completions_G_T:
            end = start + len(completion)
            sums = (math.fsum(values[start:end]) / max(1, len(completion)) for values in (logps, entropies, kls))
            logprob, entropy, uniform_kl = sums
            members.append(Certainty(logprob, entropy / largest, uniform_kl))
            start = end
        found.append(tuple(members))
    return found
