"""Who writes where: the grid of decoding slots (groups x width), and what the rollouts have written so far."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmupt.sampling.completions import Completion
from mmupt.sampling.nucleus import draw
from mmupt.sampling.protocol import SamplingParams

PROMPT_COST = 0.01
"""What attending to one prompt token costs a group, in steps of one slot; measured with 1.2 M parameters on a CPU."""


@dataclass
class Slots:
    """S slots of a grid, row by row; all slots of a row share one prompt."""

    rollouts: Tensor
    """(S,) number of the rollout that the slot writes."""
    positions: Tensor
    """(S,) rotary position of the rollout's first token."""
    writing: Tensor
    """(S,) False when the rollout is finished, and on a slot that only fills up its row."""

    @classmethod
    def grid(cls, groups: int, width: int, positions_P: Tensor) -> "Slots":
        """One slot for each rollout."""
        rollouts = torch.arange(groups * width, device=positions_P.device)
        return cls(rollouts, positions_P.repeat_interleave(width), torch.ones_like(rollouts, dtype=torch.bool))

    def shrink(self, width: int, prompt_tokens: int) -> Tensor:
        """Drop what is finished; gives the (P', width') old slots that make the new grid."""
        live = self.writing.view(-1, width).nonzero().tolist()
        members: dict[int, list[int]] = {}
        for group, place in live:
            members.setdefault(group, []).append(group * width + place)
        narrow = best_width([len(slots) for slots in members.values()], prompt_tokens)
        rows = [slots[at : at + narrow] for slots in members.values() for at in range(0, len(slots), narrow)]
        device = self.rollouts.device
        kept = torch.tensor([row + row[:1] * (narrow - len(row)) for row in rows], device=device)
        self.rollouts, self.positions = self.rollouts[kept.flatten()], self.positions[kept.flatten()]
        lengths = torch.tensor([len(row) for row in rows], device=device)
        self.writing = (torch.arange(narrow, device=device) < lengths[:, None]).flatten()
        return kept


def best_width(members: Sequence[int], prompt_tokens: int) -> int:
    """The width that makes the cheapest grid for groups of these sizes, where a larger group may take several rows."""

    def cost(width: int) -> float:
        rows = sum(-(-size // width) for size in members)
        return rows * (width + PROMPT_COST * prompt_tokens)

    return min(range(1, max(members) + 1), key=cost)


@dataclass(frozen=True)
class Written:
    """R rollouts of up to T tokens."""

    tokens: Tensor
    """(R, T)"""
    logprobs: Tensor
    """(R, T)"""
    lengths: Tensor
    """(R,) tokens written."""
    noise: Tensor
    """(R, T, 2) uniform; row r comes from the seed of rollout r alone."""

    @classmethod
    def empty(cls, seeds: Sequence[int], params: SamplingParams, device: torch.device) -> "Written":
        """Room for one rollout for each seed."""
        shape = (len(seeds), params.max_tokens)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds] if params.temperature > 0 else []
        noise = [torch.rand(params.max_tokens, 2, generator=generator) for generator in generators]
        return cls(
            torch.zeros(shape, dtype=torch.long, device=device),
            torch.zeros(shape, device=device),
            torch.zeros(len(seeds), dtype=torch.long, device=device),
            (torch.stack(noise) if noise else torch.zeros(*shape, 2)).to(device),
        )

    def draw(self, step: int, logits: Tensor, slots: Slots, params: SamplingParams, banned: Tensor) -> Tensor:
        """The next token of each slot, (S,); written down for those that still write."""
        noise = self.noise[slots.rollouts, step]
        tokens, logprobs = draw(logits, noise, temperature=params.temperature, top_p=params.top_p, banned=banned)
        rollouts = slots.rollouts[slots.writing]
        self.tokens[rollouts, step] = tokens[slots.writing]
        self.logprobs[rollouts, step] = logprobs[slots.writing]
        self.lengths[rollouts] = step + 1
        return tokens

    def completions(self) -> list[Completion]:
        """What each rollout has written."""
        rows = zip(self.tokens.tolist(), self.logprobs.tolist(), self.lengths.tolist(), strict=True)
        return [Completion(tuple(tokens[:length]), tuple(logprobs[:length])) for tokens, logprobs, length in rows]
