"""What each column of a packed row `[prompt | c1 | ... | cG | padding]` sees, from the owners of the columns: 0 in the
prompt, 1..G in the completions, -1 in padding."""

import torch
from torch import Tensor


def sees(asking: Tensor, asked: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Whether column `query`, owned by `asking`, sees column `key`, owned by `asked`: causal, and only within the
    prompt, from a completion to the prompt, or within one completion; padding sees itself."""
    related = ((asked == 0) | (asked == asking)) & (asking >= 0) & (query >= key)
    return related | (query == key)


def visible(owner: Tensor) -> Tensor:
    """Owners (B, L) -> (B, 1, L, L): which column (last axis) each column sees."""
    columns = torch.arange(owner.shape[1], device=owner.device)
    return sees(owner[:, :, None], owner[:, None, :], columns[:, None], columns[None, :])[:, None]


def dense(owner: Tensor, dtype: torch.dtype) -> Tensor:
    """The whole mask as attention adds it: 0 where visible, the lowest number elsewhere."""
    seen = visible(owner)
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)
