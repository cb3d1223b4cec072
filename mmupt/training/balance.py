"""Who runs what of an update: whole groups, spread over the ranks by their work once the rollouts are there.

The plan is a pure function of lengths that every rank knows, so ranks agree on it without a word. The costliest group
goes first, to the rank that has least to do (longest processing time first, Graham 1969: at most 4/3 of the best).
"""

from collections.abc import Collection, Sequence

from mmupt.training.packing import packs_of
from mmupt.training.scores import EncodedGroup

PAIRS_PER_TOKEN = 20_000
"""Query-key pairs of attention that cost as much as one token through the weights: some six times the hidden size, here
that of a 7B model."""


def cost(group: EncodedGroup) -> float:
    """Work of one group in tokens: what goes through the weights, and attention over what each token sees."""
    prompt, lengths = len(group.prompt_ids), [len(completion) for completion in group.completions_G_T]
    pairs = prompt**2 / 2 + sum(length * (prompt + length / 2) for length in lengths)
    return prompt + sum(lengths) + pairs / PAIRS_PER_TOKEN


def assign(costs: Sequence[float], ranks: int) -> list[list[int]]:
    """For each rank the indices of its items."""
    loads, shares = [0.0] * ranks, [list[int]() for _ in range(ranks)]
    for index in sorted(range(len(costs)), key=lambda index: (-costs[index], index)):
        least = min(range(ranks), key=lambda rank: (loads[rank], rank))
        loads[least] += costs[index]
        shares[least].append(index)
    return [sorted(share) for share in shares]


def plan(
    groups: Sequence[EncodedGroup], ranks: int, most_tokens: int, only: Collection[int] | None = None
) -> list[list[list[int]]]:
    """For each rank its packs of group indices, as many packs on each rank and at least one. An empty pack stands for
    running anything small with weight zero. `only`: packs of these alone, on the ranks that the whole plan gives."""
    shares = assign([cost(group) for group in groups], ranks)
    if only is not None:
        shares = [[index for index in share if index in only] for share in shares]
    packed = [
        [[share[index] for index in pack] for pack in packs_of([groups[index] for index in share], most_tokens)]
        for share in shares
    ]
    return [even(packs, max(1, *map(len, packed))) for packs in packed]


def even(packs: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """`count` packs: the one with most groups is cut in two for as long as that is possible, which costs nothing; then
    empty ones are added."""
    found = [list(pack) for pack in packs]
    while len(found) < count:
        widest = max(found, key=len, default=[])
        if len(widest) < 2:
            return found + [[]] * (count - len(found))
        at = found.index(widest)
        found[at : at + 1] = [widest[: len(widest) // 2], widest[len(widest) // 2 :]]
    return found
