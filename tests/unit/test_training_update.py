"""One update: neither packing nor leaving idle groups out changes the gradient."""

from functools import partial

import pytest
import torch

from mmupt.config.train import UpdateConfig
from mmupt.training import repeated, shared_prefix
from mmupt.training.distributed import Ranks
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.packing import packs_of
from mmupt.training.policy import Reference
from mmupt.training.update import Layout, TrainGroup, Updater, UpdateResult
from tests.training_parts import gradient, random_groups, relative, untrained

SHAPES = [(1, (7, 1, 9)), (1, (4, 4, 4)), (2, (3, 11, 2)), (0, (5, 6, 5))]
ADVANTAGES = [(0.5, 0.5, -1.0), (0.0, 0.0, 0.0), (-1.0, 1.0, 0.0), (0.2, -0.1, -0.1)]


class GradientKeeper(PlainEngine):
    """The plain engine, which keeps the gradient where it would take its step."""

    def step(self, learning_rate: float) -> float:
        self.found = gradient(self.model)
        return 0.0


def updated(
    layout: Layout, settings: UpdateConfig, reference: Reference | None = None
) -> tuple[UpdateResult, torch.Tensor]:
    engine = GradientKeeper(untrained(), settings)
    off = partial(torch.autocast, "cpu", enabled=False)
    groups = [TrainGroup(*each, None) for each in zip(random_groups(SHAPES), ADVANTAGES, strict=True)]
    result = Updater(engine, Ranks(0, 1), layout, settings, 1.0, 12, off, reference)(groups, 1e-6)
    return result, engine.found


@pytest.mark.parametrize("loss_type", ["bnpo", "dapo", "grpo"])
def test_packing_changes_memory_and_not_the_gradient(loss_type: str) -> None:
    settings = partial(UpdateConfig, kl_coefficient=0.0, loss_type=loss_type, micro_batch_size=2)
    _, apart = updated(repeated.score, settings(pack_tokens=1))
    result, together = updated(shared_prefix.score, settings(pack_tokens=100_000))
    assert relative(together, apart) < 1e-5
    assert (result.trained, result.skipped) == (3, 1)
    assert result.sums.tokens == 17 + 16 + 16


def test_a_group_left_out_still_counts_in_the_mean() -> None:
    left_out = UpdateConfig(kl_coefficient=0.0, micro_batch_size=4)
    # A KL term to the policy itself is zero and has no gradient, and makes every group run.
    run = UpdateConfig(kl_coefficient=0.5, micro_batch_size=4)
    few, without = updated(shared_prefix.score, left_out)
    all_of_them, within = updated(shared_prefix.score, run, Reference(untrained()))
    assert (few.skipped, all_of_them.skipped) == (1, 0)
    assert relative(without, within) < 1e-5


def test_packs_hold_neighbours_up_to_the_limit() -> None:
    groups = random_groups(SHAPES)
    sizes = [len(group.prompt_ids) + group.tokens for group in groups]
    assert packs_of(groups, 1) == [[0], [1], [2], [3]]
    assert packs_of(groups, 4 * max(sizes)) == [[0, 1, 2, 3]]
    for pack in packs_of(groups, 2 * max(sizes)):
        assert len(pack) * max(sizes[index] for index in pack) <= 2 * max(sizes)
