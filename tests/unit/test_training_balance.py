"""Groups of an update are spread over ranks by their work; the gradient is the same on any number of them."""

import random
from functools import partial
from pathlib import Path

import pytest
import torch

from mmupt.config.train import UpdateConfig
from mmupt.training import balance, distributed, shared_prefix
from mmupt.training.packing import packs_of, padded
from mmupt.training.policy import Reference
from mmupt.training.scores import EncodedGroup
from mmupt.training.update import TrainGroup, Updater, UpdateResult
from tests.forked_ranks import on_ranks
from tests.gradient_keeper import GradientKeeper
from tests.training_parts import random_groups, relative, untrained

SHAPES = [(1, (7, 1, 9)), (1, (4, 4, 4)), (2, (3, 11, 2)), (1, (30, 25, 31)), (1, (1, 2, 1))]
ADVANTAGES = [(0.5, 0.5, -1.0), (0.0, 0.0, 0.0), (-1.0, 1.0, 0.0), (0.2, -0.1, -0.1), (1.0, -1.0, 0.0)]


def group(prompt: int, *lengths: int) -> EncodedGroup:
    return EncodedGroup(torch.zeros(prompt, dtype=torch.long), None, tuple((1,) * length for length in lengths))


def skewed(seed: int = 0) -> list[EncodedGroup]:
    """128 groups of ten, whose lengths are spread as those of a model that sometimes thinks for long."""
    draw = random.Random(seed)
    lengths = [[min(2048, int(draw.lognormvariate(5.3, 0.9))) for _ in range(10)] for _ in range(128)]
    return [group(draw.randrange(200, 1800), *each) for each in lengths]


def imbalance(shares: list[list[int]], costs: list[float]) -> float:
    """The busiest rank's work over the mean."""
    loads = [sum(costs[index] for index in share) for share in shares]
    return max(loads) / (sum(loads) / len(loads))


def test_ranks_get_even_work_where_fixed_blocks_do_not() -> None:
    draw = random.Random(1)
    # Half of the groups are unanimous, and are not run.
    costs = [balance.cost(one) * draw.randrange(2) for one in skewed()]
    blocks = [list(range(start, start + 16)) for start in range(0, 128, 16)]
    assert imbalance(blocks, costs) > 1.2
    assert imbalance(balance.assign(costs, 8), costs) < 1.05


def test_every_group_is_run_by_one_rank_and_all_ranks_run_as_many_packs() -> None:
    groups = skewed()
    for ranks in (1, 2, 3, 8, 150):
        plan = balance.plan(groups, ranks, 16_384)
        assert sorted(index for packs in plan for pack in packs for index in pack) == list(range(128))
        assert len({len(packs) for packs in plan}) == 1
        empty = sum(not pack for packs in plan for pack in packs)
        assert empty == max(0, ranks - 128)
    assert balance.plan(groups, 8, 16_384) == balance.plan(groups, 8, 16_384)
    assert balance.plan([], 2, 100) == [[[]], [[]]]


def test_a_rank_with_fewer_packs_cuts_them_before_it_runs_empty_ones() -> None:
    assert balance.even([[0, 1, 2, 3], [4]], 4) == [[0], [1], [2, 3], [4]]
    assert balance.even([[0]], 3) == [[0], [], []]
    assert balance.even([], 1) == [[]]


def test_attention_counts_where_sequences_are_long() -> None:
    assert balance.cost(group(100, 10, 20)) == pytest.approx(130, rel=0.01)
    long = balance.cost(group(100, 20_000))
    assert long == pytest.approx(20_100 + (100**2 / 2 + 20_000 * 10_100) / balance.PAIRS_PER_TOKEN)


def test_packs_hold_groups_of_like_length_up_to_the_limit() -> None:
    groups = random_groups(SHAPES)
    longest = max(padded([one]) for one in groups)
    assert sorted(index for pack in packs_of(groups, 1) for index in pack) == [0, 1, 2, 3, 4]
    assert [len(pack) for pack in packs_of(groups, 1)] == [1] * 5
    assert len(packs_of(groups, 100_000)) == 1
    for pack in packs_of(groups, 2 * longest):
        assert padded([groups[index] for index in pack]) <= 2 * longest


def test_sorting_by_length_leaves_little_padding() -> None:
    groups = skewed()
    needed = sum(padded([one]) for one in groups)
    neighbours = sum(padded(groups[start : start + 4]) for start in range(0, 128, 4))
    packs = packs_of(groups, 4 * max(padded([one]) for one in groups))
    sorted_ones = sum(padded([groups[index] for index in pack]) for pack in packs)
    assert neighbours / needed > 1.2
    assert sorted_ones / needed < 1.1


def update_on(ranks: distributed.Ranks, loss_type: str) -> tuple[UpdateResult, torch.Tensor]:
    """One update; this rank's part of the gradient. The KL coefficient makes all but one group run."""
    settings = UpdateConfig(kl_coefficient=0.3, loss_type=loss_type, micro_batch_size=5, pack_tokens=90)
    off = partial(torch.autocast, "cpu", enabled=False)
    engine, reference = GradientKeeper(untrained(), settings), Reference(untrained(seed=6))
    updater = Updater(engine, ranks, shared_prefix.score, settings, 0.7, 32, off, reference)
    pairs = zip(random_groups(SHAPES), ADVANTAGES, strict=True)
    groups = [TrainGroup(*each, None, feels_kl=any(each[1])) for each in pairs]
    now = updater.old_logps(groups)
    torch.manual_seed(0)
    moved = [0.5 * torch.randn(one.encoded.tokens) for one in groups]
    later = [
        TrainGroup(one.encoded, one.advantages_G, None, None if old is None else old + shift, feels_kl=one.feels_kl)
        for one, old, shift in zip(groups, now, moved, strict=True)
    ]
    return updater(later, 1e-6), engine.found


@pytest.mark.parametrize("loss_type", ["bnpo", "grpo"])
def test_the_gradient_is_the_same_on_one_two_and_three_ranks(tmp_path: Path, loss_type: str) -> None:
    torch.set_num_threads(1)
    result, wanted = update_on(distributed.Ranks(0, 1), loss_type)
    assert (result.trained, result.skipped) == (4, 1)

    def work(rank: int) -> None:
        ranks = distributed.start(torch.device("cpu"), deepspeed=False)
        found, part = update_on(ranks, loss_type)
        assert (found.trained, found.skipped, found.sums.tokens) == (4, 1, result.sums.tokens)
        assert found.sums.loss == pytest.approx(result.sums.loss, rel=1e-4)
        torch.save(part, tmp_path / f"{ranks.size}-{rank}.pt")

    for size in (2, 3):
        assert on_ranks(size, work)
        parts = [torch.load(tmp_path / f"{size}-{rank}.pt", weights_only=True) for rank in range(size)]
        assert relative(torch.stack(parts).sum(0), wanted) < 1e-5
