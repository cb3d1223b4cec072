"""Groups as packed rows `[prompt | c1 | c2 | ... | cG]`: the pictures are encoded once and the prompt is run once for
each group.

A block mask lets every completion see the prompt and itself and nothing else, and the rotary positions of each
completion start again behind the prompt; so the log-probs are those of G separate sequences. Several groups form a
batch: prompts are padded on the left so that all completions start in one column, rows are padded on the right. Logits
are made for the completion columns only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmupt.sampling.pixels import Patches
from mmupt.training.scores import EncodedGroup, TokenScores, images_of, seen_by, token_scores

MODEL_TYPES = frozenset({"qwen2_5_vl"})
"""Model classes whose positions and mask handling this layout was checked against; others take `repeated`."""


@dataclass(frozen=True)
class PackedGroups:
    """B groups, one a row; L packed columns, the last R of them hold completions."""

    input_ids: Tensor
    """(B, L)."""
    visible: Tensor
    """(B, 1, L, L) bool: which column (last axis) each column may see."""
    position_ids: Tensor
    """(3, B, L)."""
    columns: Tensor
    """Columns that logits are made for: the last prompt column and all completion columns but the last."""
    rows_N: Tensor
    """Row of each completion token."""
    sources_N: Tensor
    """Index into `columns` of the column that predicts the token."""
    targets_N: Tensor
    """The token."""


def score(model: nn.Module, groups: Sequence[EncodedGroup], temperature: float) -> TokenScores:
    """Log-probs and entropies of all completion tokens. `model` is called once; it may be wrapped by an engine or an
    adapter."""
    seen = seen_by(groups, next(model.parameters()).device)
    packed, pictures = pack(model, groups, seen), images_of(seen)
    del seen  # one copy of the patches lives through the pass
    hidden = model(
        input_ids=packed.input_ids,
        attention_mask=_additive(packed.visible, next(model.parameters()).dtype),
        position_ids=packed.position_ids,
        logits_to_keep=packed.columns,
        use_cache=False,
        **pictures,
    )
    return token_scores(hidden.logits, packed.rows_N, packed.sources_N, packed.targets_N, temperature)


def pack(model: nn.Module, groups: Sequence[EncodedGroup], seen: Sequence[Patches | None]) -> PackedGroups:
    """Lay out the groups; `model` is asked for the prompt's rotary positions only."""
    prompt_length = max(len(group.prompt_ids) for group in groups)
    completion_length = max(group.tokens for group in groups)
    length = prompt_length + completion_length
    device = next(model.parameters()).device
    input_ids = torch.zeros(len(groups), length, dtype=torch.long)
    positions = torch.zeros(3, len(groups), length, dtype=torch.long)
    owner = torch.full((len(groups), length), -1)
    sources: list[int] = []
    for row, (group, patches) in enumerate(zip(groups, seen, strict=True)):
        start = prompt_length - len(group.prompt_ids)
        flat = [token for completion in group.completions_G_T for token in completion]
        end = prompt_length + len(flat)
        input_ids[row, start:end] = torch.cat([group.prompt_ids, torch.tensor(flat, dtype=torch.long)])
        owner[row, start:prompt_length] = 0
        owner[row, prompt_length:end] = torch.tensor(_owners(group))
        positions[:, row, start:end] = _positions(model, group, patches)
        sources += _sources(group)
    tokens = [group.tokens for group in groups]
    columns = torch.arange(prompt_length - 1, length - 1)
    rows_N = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor(tokens))
    sources_N = torch.tensor(sources, dtype=torch.long)
    targets_N = input_ids[:, prompt_length:][owner[:, prompt_length:] > 0]
    tensors = (input_ids, _visible(owner), positions, columns, rows_N, sources_N, targets_N)
    return PackedGroups(*(tensor.to(device) for tensor in tensors))


def _owners(group: EncodedGroup) -> list[int]:
    """1..G for each completion token; the prompt is 0 and padding is -1."""
    return [number for number, one in enumerate(group.completions_G_T, start=1) for _ in one]


def _sources(group: EncodedGroup) -> list[int]:
    """For each completion token the completion offset (0 = last prompt column) whose logits predict it."""
    sources, offset = [], 0
    for completion in group.completions_G_T:
        sources += [0 if index == 0 else offset + index for index in range(len(completion))]
        offset += len(completion)
    return sources


def _positions(model: nn.Module, group: EncodedGroup, seen: Patches | None) -> Tensor:
    """(3, prompt + completion tokens): the model's own positions of the prompt, then each completion counted on from
    its end."""
    inner = getattr(model, "module", model)
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    prompt_ids = group.prompt_ids
    kinds = (prompt_ids == inner.config.image_token_id).int()
    grids = None if seen is None else seen.grid.cpu()
    prompt, _ = inner.model.get_rope_index(prompt_ids[None], mm_token_type_ids=kinds[None], image_grid_thw=grids)
    start = int(prompt.max()) + 1
    restarted = [start + index for completion in group.completions_G_T for index in range(len(completion))]
    return torch.cat([prompt[:, 0], torch.tensor(restarted, dtype=torch.long).expand(3, -1)], dim=1)


def _visible(owner: Tensor) -> Tensor:
    """Causal, and only within the prompt, from a completion to the prompt, or within one completion; padding sees
    itself."""
    queries, keys = owner[:, :, None], owner[:, None, :]
    length = owner.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    related = ((keys == 0) | (keys == queries)) & (queries >= 0) & causal
    return (related | torch.eye(length, dtype=torch.bool))[:, None]


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask as the model's attention wants it: 0 where visible, the lowest number elsewhere."""
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(~visible, torch.finfo(dtype).min)
