"""Keys and values of many groups that share their prompts: the prompt's once for each group, the completions' once
for each slot.

Slots lie in a grid, `width` for each group, so that a group's attention over its prompt is one matrix product. A slot
that has finished keeps its place until `regroup` makes a smaller grid. Behaves as a transformers cache (`update`) and
as the mask that the text model hands to `attend`, which is registered under ATTENTION; nothing else of the model is
replaced.

Shapes: S slots = P groups x width; K key-value heads; r query heads for each of them; D head size; L prompt length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PretrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

ATTENTION = "mmupt_groups"
FIRST_CAPACITY = 32
"""Completion tokens that room is made for at first; it doubles when it is used up."""


@dataclass
class Layer:
    """One layer's keys and values."""

    prompt_keys: Tensor
    """(P*K, L, D)"""
    prompt_values: Tensor
    keys: Tensor
    """(P*K*width, capacity, D)"""
    values: Tensor


class GroupCache:
    """What attention needs of the past of all slots."""

    def __init__(self, prompts: DynamicCache, prompt_mask: Tensor, width: int) -> None:
        """`prompts` holds one row for each group; `prompt_mask` (P, L) is False on padding."""
        self.groups, self.heads, _, self.size = prompts.layers[0].keys.shape
        self.width = width
        self.written = 0
        """Completion tokens that each slot has."""
        self.padding = None if bool(prompt_mask.all()) else ~prompt_mask
        self.layers = [self._layer(layer.keys, layer.values) for layer in prompts.layers]

    def _layer(self, keys: Tensor, values: Tensor) -> Layer:
        rows = self.groups * self.heads
        room = keys.new_zeros(rows * self.width, FIRST_CAPACITY, self.size)
        return Layer(keys.flatten(0, 1), values.flatten(0, 1), room, torch.zeros_like(room))

    def get_seq_length(self, layer: int = 0) -> int:
        """Tokens before the next one, as transformers' caches say it."""
        return self.layers[layer].prompt_keys.shape[1] + self.written

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Store one token of each slot, (S, K, 1, D); `step` must follow when all layers have stored theirs."""
        held = self.layers[layer]
        if self.written == held.keys.shape[1]:
            held.keys, held.values = _doubled(held.keys), _doubled(held.values)
        for room, new in ((held.keys, keys), (held.values, values)):
            grid = new.view(self.groups, self.width, self.heads, self.size).transpose(1, 2)  # (P, K, width, D)
            room[:, self.written] = grid.reshape(-1, self.size)
        return keys, values

    def step(self) -> None:
        """All layers have stored one token."""
        self.written += 1

    def regroup(self, slots: Tensor) -> None:
        """Keep the slots (P', width'), each row of one old group; a slot may occur again where the row is not full."""
        old_groups = slots[:, 0] // self.width
        for held in self.layers:
            held.prompt_keys = self._per_group(held.prompt_keys)[old_groups].flatten(0, 1)
            held.prompt_values = self._per_group(held.prompt_values)[old_groups].flatten(0, 1)
            held.keys, held.values = self._chosen(held.keys, slots), self._chosen(held.values, slots)
        if self.padding is not None:
            self.padding = self.padding[old_groups]
        self.groups, self.width = slots.shape

    def _per_group(self, rows: Tensor) -> Tensor:
        return rows.view(self.groups, self.heads, *rows.shape[1:])

    def _chosen(self, rows: Tensor, slots: Tensor) -> Tensor:
        grid = rows.view(self.groups, self.heads, self.width, *rows.shape[1:])
        kept = grid[slots // self.width, :, slots % self.width]  # (P', width', K, capacity, D)
        return kept.transpose(1, 2).flatten(0, 2)

    def attend(self, queries: Tensor, layer: int, scaling: float) -> Tensor:
        """(S, K*r, 1, D) queries of the token just stored -> (S, 1, K*r, D)."""
        held, now = self.layers[layer], self.written + 1
        rows = self.groups * self.heads
        grid = (queries * scaling).view(self.groups, self.width, self.heads, -1, self.size).transpose(1, 2)
        ratio = grid.shape[3]
        asked = grid.reshape(rows, self.width * ratio, self.size)
        on_prompt = torch.bmm(asked, held.prompt_keys.transpose(1, 2))  # (P*K, width*r, L)
        if self.padding is not None:
            hidden = self.padding.repeat_interleave(self.heads, 0)[:, None]
            on_prompt = on_prompt.masked_fill(hidden, torch.finfo(on_prompt.dtype).min)
        own = asked.view(rows * self.width, ratio, self.size)
        on_own = torch.bmm(own, held.keys[:, :now].transpose(1, 2)).view(rows, self.width * ratio, now)
        weights = torch.cat([on_prompt, on_own], -1).softmax(-1, dtype=torch.float32).to(queries.dtype)
        length = on_prompt.shape[-1]
        seen = torch.bmm(weights[..., :length], held.prompt_values)
        said = torch.bmm(weights[..., length:].reshape(rows * self.width, ratio, now), held.values[:, :now])
        mixed = seen.view(grid.shape) + said.view(grid.shape)  # (P, K, width, r, D)
        return mixed.transpose(1, 2).reshape(self.groups * self.width, 1, -1, self.size)


@contextmanager
def group_attention(config: PretrainedConfig) -> Iterator[None]:
    """Within, the text model of this config attends through the `GroupCache` that it is given as its mask."""
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: GroupCache, scaling: float, **_: object
) -> tuple[Tensor, None]:
    return mask.attend(query, int(module.layer_idx), scaling), None


def _doubled(rows: Tensor) -> Tensor:
    return torch.cat([rows, torch.zeros_like(rows)], dim=1)


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, _attend)
