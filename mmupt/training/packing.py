"""Which groups go through the model together: neighbours, as many as the token limit allows.

Memory depends on it, the loss does not.
"""

from collections.abc import Sequence

from mmupt.training.scores import EncodedGroup


def packs_of(groups: Sequence[EncodedGroup], most_tokens: int) -> list[list[int]]:
    """Indices of the groups of each pack; a pack holds at most `most_tokens`, padding included, or a single group."""
    packs: list[list[int]] = []
    widest = 0
    for index, group in enumerate(groups):
        length = len(group.prompt_ids) + group.tokens
        widest = max(widest, length)
        if packs and (len(packs[-1]) + 1) * widest <= most_tokens:
            packs[-1].append(index)
        else:
            packs.append([index])
            widest = length
    return packs
