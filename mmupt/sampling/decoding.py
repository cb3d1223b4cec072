"""The token-by-token loop over the slots of many groups.

In: the groups' prompts as a cache and the logits of their last prompt token. Out: tokens and log-probs of each
rollout. The noise of a rollout comes from its own seed alone, so which other rollouts share the batch changes nothing
but rounding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from mmupt.sampling.completions import Completion
from mmupt.sampling.group_cache import GroupCache, group_attention
from mmupt.sampling.protocol import SamplingParams
from mmupt.sampling.slots import Slots, Written

SHRINK_BELOW = 0.8
"""Share of slots that still write, below which the grid is made smaller: a smaller grid costs one copy of the cache."""


@dataclass(frozen=True)
class Prefilled:
    """P prompts that the model has read."""

    cache: DynamicCache
    mask: Tensor
    """(P, L): False on padding."""
    logits: Tensor
    """(P, V) for the first completion token."""
    positions: Tensor
    """(P,) rotary position of the first completion token."""


@dataclass(frozen=True)
class Decoder:
    """The parts of a model that write text, and the tokens that matter."""

    text_model: nn.Module
    head: nn.Module
    ends: Tensor
    banned: Tensor

    def decode(self, prompts: Prefilled, seeds_P_G: list[list[int]], params: SamplingParams) -> list[list[Completion]]:
        """One completion for each seed; all groups have as many."""
        groups, width = len(seeds_P_G), len(seeds_P_G[0])
        written = Written.empty([seed for seeds in seeds_P_G for seed in seeds], params, self.ends.device)
        cache = GroupCache(prompts.cache, prompts.mask, width)
        slots = Slots.grid(groups, width, prompts.positions)
        logits = prompts.logits.repeat_interleave(width, 0)
        with group_attention(self.text_model.config):
            for step in range(params.max_tokens):
                tokens = written.draw(step, logits, slots, params, self.banned)
                slots.writing &= ~torch.isin(tokens, self.ends)
                live = int(slots.writing.sum())
                if live == 0 or step + 1 == params.max_tokens:
                    break
                if live < SHRINK_BELOW * len(tokens):
                    kept = slots.shrink(cache.width, prompts.mask.shape[1])
                    tokens = tokens[kept.flatten()]
                    cache.regroup(kept)
                logits = self._next_logits(cache, tokens, slots.positions + step)
        made = written.completions()
        return [made[start : start + width] for start in range(0, len(made), width)]

    def _next_logits(self, cache: GroupCache, tokens: Tensor, positions: Tensor) -> Tensor:
        # The text model takes a mask for each kind of layer and hands it to its attention: ours is the cache itself.
        hidden = self.text_model(
            input_ids=tokens[:, None],
            position_ids=positions[None, :, None].expand(3, -1, -1),
            attention_mask={"full_attention": cache},
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        cache.step()
        return self.head(hidden[:, -1])
