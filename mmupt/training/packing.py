"""Which groups go through the model together: groups of like length, as many as the token limit allows.

Memory and padding depend on it, the loss does not.
"""

from collections.abc import Sequence

from mmupt.training.scores import EncodedGroup


def packs_of(groups: Sequence[EncodedGroup], most_tokens: int) -> list[list[int]]:
    """Indices of the groups of each pack, the longest first; a pack holds at most `most_tokens`, padding included, or a
    single group."""
    packs: list[list[int]] = []
    longest = sorted(range(len(groups)), key=lambda index: (-_length(groups[index]), index))
    for index in longest:
        if packs and padded([groups[other] for other in (*packs[-1], index)]) <= most_tokens:
            packs[-1].append(index)
        else:
            packs.append([index])
    return packs


def padded(groups: Sequence[EncodedGroup]) -> int:
    """Tokens of the groups as rows of one batch, each as long as the longest."""
    return len(groups) * max(_length(group) for group in groups)


def _length(group: EncodedGroup) -> int:
    return len(group.prompt_ids) + group.tokens
