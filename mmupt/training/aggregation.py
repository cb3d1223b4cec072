"""How token losses become one number: a weight for each token of each completion, from lengths alone.

The loss of an update is the sum over its tokens of weight x token loss. The weights are fixed before anything runs,
over the completions of the whole update in training order and over all ranks. So neither the number of ranks, nor how
groups are packed to run, nor leaving out groups whose loss is zero changes the loss. Names and definitions are trl's
`loss_type`:

bnpo      mean over the tokens of a micro-batch, then mean over micro-batches (what EasyR1 and MM-UPT do)
dapo      mean over all tokens of the update (arXiv 2503.14476)
grpo      mean over each completion's tokens, then mean over completions (arXiv 2402.03300, eq. 3)
dr_grpo   sum over tokens / (completions x max_tokens) (arXiv 2503.20783)
"""

from collections.abc import Sequence


def token_weights(lengths_C: Sequence[int], loss_type: str, micro_batch_size: int, max_tokens: int) -> list[float]:
    """For each completion of an update the weight of each of its tokens. `lengths_C`: tokens of each completion,
    training order."""
    total = len(lengths_C)
    if loss_type == "bnpo":
        return _micro_batch_mean(lengths_C, micro_batch_size)
    if loss_type == "dapo":
        return [1.0 / max(1, sum(lengths_C))] * total
    if loss_type == "grpo":
        return [1.0 / (max(1, length) * total) for length in lengths_C]
    return [1.0 / (max_tokens * total)] * total


def _micro_batch_mean(lengths_C: Sequence[int], size: int) -> list[float]:
    starts = range(0, len(lengths_C), size)
    tokens = [max(1, sum(lengths_C[start : start + size])) for start in starts]
    return [1.0 / (tokens[index // size] * len(tokens)) for index in range(len(lengths_C))]
