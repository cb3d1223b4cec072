"""Attention that skips what the shared prefix masks: torch's flex attention, for CUDA.

Of a row `[prompt | c1 | ... | cG]` most pairs of columns are masked: completions do not see each other. The kernel is
told which blocks of 128 x 128 columns hold anything, runs those alone, and asks owners within them; no mask of L x L is
made. It is registered with transformers under ATTENTION. A text model under that name attends so where it is given such
a mask, and by SDPA where it is given any other: when it samples, or runs another layout. The vision tower is left as it
is. On the CPU flex attention has no backward pass.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from mmupt.training.prefix_mask import sees

ATTENTION = "mmupt_blocks"
BLOCK = 128
"""Columns of a block; rows are padded to a multiple of it, which also keeps their number of lengths small."""


def install(model: PreTrainedModel) -> None:
    """Let the text model attend by blocks, for good: gradient checkpointing attends anew in the backward pass."""
    model.config.get_text_config()._attn_implementation = ATTENTION


def installed(model: PreTrainedModel) -> bool:
    return bool(model.config.get_text_config()._attn_implementation == ATTENTION)


def masks(model: PreTrainedModel, owner: Tensor) -> dict[str, BlockMask]:
    """What the text model takes as its attention mask, for owners (B, L): one mask for each kind of layer."""
    mask = block_mask(owner)
    return dict.fromkeys(model.config.get_text_config().layer_types, mask)


def block_mask(owner: Tensor) -> BlockMask:
    """Which blocks hold visible pairs, which nothing but those, and the rule within the others."""

    def rule(batch: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return sees(owner[batch, query], owner[batch, key], query, key)

    rows, length = owner.shape
    return create_block_mask(
        rule, rows, None, length, length, device=owner.device, BLOCK_SIZE=BLOCK, _compile=owner.is_cuda
    )


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: BlockMask | Tensor | None,
    scaling: float | None = None,
    **others: object,
) -> tuple[Tensor, Tensor | None]:
    """(B, heads, L, size) each -> (B, L, heads, size)."""
    if not isinstance(mask, BlockMask):
        plain: tuple[Tensor, None] = ALL_ATTENTION_FUNCTIONS["sdpa"](
            module, query, key, value, mask, scaling=scaling, **others
        )
        return plain
    run = _compiled() if query.is_cuda else flex_attention
    # Under autocast the rotary embedding leaves queries and keys in float32.
    query, key = query.to(value.dtype), key.to(value.dtype)
    mixed = run(query, key, value, block_mask=mask, scale=scaling, enable_gqa=True)
    return mixed.transpose(1, 2).contiguous(), None


@cache
def _compiled() -> Callable[..., Tensor]:
    """For any number of rows and columns: lengths differ from pack to pack."""
    compiled: Callable[..., Tensor] = torch.compile(flex_attention, dynamic=True)
    return compiled


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, _attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
