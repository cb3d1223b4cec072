"""Attention by blocks: its mask is the dense one, it skips what nobody sees, and it steps aside for other masks."""

import pytest
import torch
from torch.nn.attention.flex_attention import create_mask

from mmupt.config.train import UpdateConfig
from mmupt.errors import UserError
from mmupt.sampling import SamplingParams
from mmupt.sampling.transformers import TransformersSampler
from mmupt.training import assembly, block_attention, repeated, shared_prefix
from mmupt.training.prefix_mask import visible
from mmupt.training.scores import EncodedGroup, seen_by
from tests.sampling_parts import prompts
from tests.training_parts import processor, random_groups, relative, untrained

SHAPES = [(1, (7, 1, 19, 4)), (2, (3, 3)), (0, (12, 5, 9)), (1, (150, 6))]
COLUMNS = block_attention.BLOCK


def owners(prompt: int, *lengths: int, padding: int = 0) -> torch.Tensor:
    found = [0] * prompt + [number for number, length in enumerate(lengths, 1) for _ in range(length)]
    return torch.tensor(found + [-1] * padding)


def test_the_rule_of_the_blocks_is_the_dense_mask() -> None:
    model = untrained()
    groups = random_groups(SHAPES)
    seen = seen_by(groups, torch.device("cpu"))
    packed = shared_prefix.pack(model, groups, seen, multiple=COLUMNS)
    mask, (rows, length) = block_attention.block_mask(packed.owner), packed.owner.shape
    assert length % COLUMNS == 0
    wanted = visible(packed.owner)
    assert torch.equal(create_mask(mask.mask_mod, rows, 1, length, length, device="cpu"), wanted)
    blocks = wanted.view(rows, 1, length // COLUMNS, COLUMNS, length // COLUMNS, COLUMNS)
    assert torch.equal(mask.to_dense().bool(), blocks.any(dim=-1).any(dim=3))


def test_a_completion_sees_prompt_and_itself_and_padding_only_itself() -> None:
    seen = visible(owners(2, 2, 1, padding=1)[None])[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_at_the_papers_shape_a_third_of_the_blocks_is_run() -> None:
    """1,640 prompt tokens and ten completions of 300; a causal kernel would run half of the blocks."""
    owner = owners(1640, *[300] * 10, padding=96)[None]
    mask = block_attention.block_mask(owner)
    run = float(mask.to_dense().sum()) / (owner.shape[1] // COLUMNS) ** 2
    assert 0.3 < run < 0.35


@torch.no_grad()
def test_log_probs_by_blocks_are_those_of_the_dense_mask() -> None:
    model, groups = untrained(), random_groups(SHAPES)
    dense = shared_prefix.score(model, groups, 0.7).logps_N
    block_attention.install(model)
    assert relative(shared_prefix.score(model, groups, 0.7).logps_N, dense) < 1e-5


@torch.no_grad()
def test_other_masks_go_as_ever_where_blocks_are_installed() -> None:
    model, groups = untrained(), random_groups(SHAPES[:3])
    params = SamplingParams(n=3, temperature=1.0, top_p=1.0, max_tokens=6, seed=1)

    def everything(groups: list[EncodedGroup]) -> tuple[torch.Tensor, list[tuple[int, ...]]]:
        said = TransformersSampler(model, processor()).sample(prompts(2), params)
        return repeated.score(model, groups, 0.7).logps_N, [one.token_ids for group in said for one in group]

    before = everything(groups)
    block_attention.install(model)
    after = everything(groups)
    assert torch.equal(after[0], before[0])
    assert after[1] == before[1]


def test_a_cpu_trains_with_the_dense_mask_and_refuses_the_other() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert not assembly._by_blocks(UpdateConfig(), cpu)
    assert assembly._by_blocks(UpdateConfig(), cuda)
    assert not assembly._by_blocks(UpdateConfig(attention="dense"), cuda)
    with pytest.raises(UserError, match=r"update\.attention"):
        assembly._by_blocks(UpdateConfig(attention="flex"), cpu)
