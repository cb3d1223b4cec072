"""Groups as packed rows `[prompt | c1 | c2 | ... | cG]`: the pictures are encoded once and the prompt is run once for
each group.

A block mask lets every completion see the prompt and itself and nothing else, and the rotary positions of each
completion start again behind the prompt; so the log-probs are those of G separate sequences. Several groups form a
batch, one a row, padded on the right. Logits are made for completion tokens only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mmupt.sampling.pixels import Patches
from mmupt.training import block_attention
from mmupt.training.prefix_mask import dense
from mmupt.training.scores import EncodedGroup, Head, TokenScores, images_of, seen_by, token_scores
from mmupt.training.scoring_head import inside, scoring

MODEL_TYPES = frozenset({"qwen2_5_vl"})
"""Model classes whose positions, mask and head this layout was checked against; others take `repeated`."""


@dataclass(frozen=True)
class PackedGroups:
    """B groups, one a row, of L columns."""

    input_ids: Tensor
    """(B, L)."""
    owner: Tensor
    """(B, L): 0 in the prompt, 1..G in the completions, -1 in padding."""
    position_ids: Tensor
    """(3, B, L)."""
    rows_N: Tensor
    """Row of each completion token."""
    sources_N: Tensor
    """The column that predicts the token."""
    targets_N: Tensor
    """The token."""


def score(
    model: nn.Module, groups: Sequence[EncodedGroup], temperature: float, *, statistics: bool = True
) -> TokenScores:
    """Scores of all completion tokens. `model` is called once; it may be wrapped by an engine or an adapter."""
    weight = next(model.parameters())
    seen = seen_by(groups, weight.device)
    blocks = block_attention.installed(inside(model))
    packed = pack(model, groups, seen, multiple=block_attention.BLOCK if blocks else 1)
    pictures = images_of(seen)
    del seen  # one copy of the patches lives through the pass
    made: list[TokenScores] = []

    def read(head: Head, hidden: Tensor) -> Tensor:
        states_N = hidden[packed.rows_N, packed.sources_N]
        size = inside(model).config.get_text_config().vocab_size
        made.append(token_scores(head, states_N, packed.targets_N, temperature, size, statistics=statistics))
        return made[0].logps_N

    mask = block_attention.masks(inside(model), packed.owner) if blocks else dense(packed.owner, weight.dtype)
    with scoring(model, read):
        output = model(
            input_ids=packed.input_ids,
            attention_mask=mask,
            position_ids=packed.position_ids,
            use_cache=False,
            **pictures,
        )
    # What the model returns has passed the engine's hooks, which the backward pass needs.
    return replace(made[0], logps_N=output.logits)


def pack(
    model: nn.Module, groups: Sequence[EncodedGroup], seen: Sequence[Patches | None], *, multiple: int = 1
) -> PackedGroups:
    """Lay out the groups in rows of a multiple of columns; `model` is asked for the prompt's rotary positions only."""
    length = max(len(group.prompt_ids) + group.tokens for group in groups)
    length = -(-length // multiple) * multiple
    input_ids = torch.zeros(len(groups), length, dtype=torch.long)
    positions = torch.zeros(3, len(groups), length, dtype=torch.long)
    owner = torch.full((len(groups), length), -1)
    sources: list[int] = []
    for row, (group, patches) in enumerate(zip(groups, seen, strict=True)):
        flat = [token for completion in group.completions_G_T for token in completion]
        start, end = len(group.prompt_ids), len(group.prompt_ids) + len(flat)
        input_ids[row, :end] = torch.cat([group.prompt_ids, torch.tensor(flat, dtype=torch.long)])
        owner[row, :start] = 0
        owner[row, start:end] = torch.tensor(_owners(group))
        positions[:, row, :end] = _positions(model, group, patches)
        sources += _sources(group)
    rows_N = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor([group.tokens for group in groups]))
    tensors = (input_ids, owner, positions, rows_N, torch.tensor(sources, dtype=torch.long), input_ids[owner > 0])
    device = next(model.parameters()).device
    return PackedGroups(*(tensor.to(device) for tensor in tensors))


def _owners(group: EncodedGroup) -> list[int]:
    """1..G for each completion token."""
    return [number for number, one in enumerate(group.completions_G_T, start=1) for _ in one]


def _sources(group: EncodedGroup) -> list[int]:
    """For each completion token the column whose state predicts it: the last of the prompt, or the one before it."""
    sources, column = [], len(group.prompt_ids)
    for completion in group.completions_G_T:
        sources += [column + index - 1 if index else len(group.prompt_ids) - 1 for index in range(len(completion))]
        column += len(completion)
    return sources


def _positions(model: nn.Module, group: EncodedGroup, seen: Patches | None) -> Tensor:
    """(3, prompt + completion tokens): the model's own positions of the prompt, then each completion counted on from
    its end."""
    inner = inside(model)
    kinds = (group.prompt_ids == inner.config.image_token_id).int()
    grids = None if seen is None else seen.grid.cpu()
    prompt, _ = inner.model.get_rope_index(group.prompt_ids[None], mm_token_type_ids=kinds[None], image_grid_thw=grids)
    start = int(prompt.max()) + 1
    restarted = [start + index for completion in group.completions_G_T for index in range(len(completion))]
    return torch.cat([prompt[:, 0], torch.tensor(restarted, dtype=torch.long).expand(3, -1)], dim=1)
