"""On CUDA, attention by blocks gives the log-probs and the gradient of the dense mask, and makes no mask of L x L."""

import pytest
import torch

from mmupt.training import block_attention, shared_prefix
from mmupt.training.scores import EncodedGroup
from tests.training_parts import gradient, random_groups, relative, untrained

SHAPES = [(1, (40, 70, 3, 55)), (2, (130, 9)), (0, (20, 20, 20)), (1, (300, 1))]


def scored(
    dtype: torch.dtype, groups: list[EncodedGroup], *, blocks: bool, checkpointing: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probs, and the gradient of a weighted sum of them."""
    model = untrained().to("cuda", dtype)
    if blocks:
        block_attention.install(model)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
    logps = shared_prefix.score(model, groups, 0.7).logps_N
    (logps * torch.linspace(-1, 1, len(logps), device="cuda")).sum().backward()
    return logps.detach(), gradient(model).float()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 2e-3), (torch.bfloat16, 5e-2)])
@pytest.mark.parametrize("shapes", [SHAPES[:1], SHAPES])
def test_blocks_and_the_dense_mask_agree(
    shapes: list[tuple[int, tuple[int, ...]]], dtype: torch.dtype, near: float, checkpointing: bool
) -> None:
    groups = random_groups(shapes)
    logps, wanted_logps = (
        scored(dtype, groups, blocks=True, checkpointing=checkpointing),
        scored(dtype, groups, blocks=False),
    )
    assert relative(logps[0].float(), wanted_logps[0].float()) < near
    assert relative(logps[1], wanted_logps[1]) < near


def test_autocast_over_float32_weights_runs_in_bfloat16() -> None:
    groups = random_groups(SHAPES[:1])
    with torch.autocast("cuda", dtype=torch.bfloat16):
        logps, _ = scored(torch.float32, groups, blocks=True)
    wanted, _ = scored(torch.float32, groups, blocks=False)
    assert relative(logps, wanted) < 5e-2


def test_no_mask_of_all_pairs_is_made() -> None:
    """16 rows of 4,096 columns would take 256 MiB as a mask of single bytes."""
    owner = torch.zeros(16, 4096, dtype=torch.long, device="cuda")
    block_attention.block_mask(owner[:, :256])  # compiles
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    block_attention.block_mask(owner)
    assert torch.cuda.max_memory_allocated() - before < 64 * 2**20


def test_lengths_differ_from_pack_to_pack_without_compiling_for_each() -> None:
    model = untrained().to("cuda", torch.bfloat16)
    block_attention.install(model)
    torch._dynamo.utils.counters.clear()
    for length in range(100, 1700, 130):
        groups = random_groups([(1, (length, 5))])
        shared_prefix.score(model, groups, 1.0).logps_N.sum().backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 6
