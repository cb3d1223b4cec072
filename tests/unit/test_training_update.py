"""One update: neither packing nor leaving idle groups out changes the gradient."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch

from mmupt.config.train import UpdateConfig
from mmupt.training import repeated, shared_prefix
from mmupt.training.distributed import Ranks
from mmupt.training.policy import Reference
from mmupt.training.scores import EncodedGroup, TokenScores, seen_by
from mmupt.training.update import Layout, TrainGroup, Updater, UpdateResult
from tests.gradient_keeper import GradientKeeper
from tests.training_parts import random_groups, relative, untrained

SHAPES = [(1, (7, 1, 9)), (1, (4, 4, 4)), (2, (3, 11, 2)), (0, (5, 6, 5))]
ADVANTAGES = [(0.5, 0.5, -1.0), (0.0, 0.0, 0.0), (-1.0, 1.0, 0.0), (0.2, -0.1, -0.1)]


def updater(layout: Layout, settings: UpdateConfig, reference: Reference | None = None, heat: float = 1.0) -> Updater:
    off = partial(torch.autocast, "cpu", enabled=False)
    return Updater(GradientKeeper(untrained(), settings), Ranks(0, 1), layout, settings, heat, 12, off, reference)


def updated(
    layout: Layout, settings: UpdateConfig, reference: Reference | None = None, idle_feel_kl: bool = True
) -> tuple[UpdateResult, torch.Tensor]:
    pairs = zip(random_groups(SHAPES), ADVANTAGES, strict=True)
    groups = [TrainGroup(*each, None, feels_kl=idle_feel_kl or any(each[1])) for each in pairs]
    work = updater(layout, settings, reference)
    result = work(groups, 1e-6)
    assert isinstance(work.engine, GradientKeeper)
    return result, work.engine.found


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


def test_the_kl_term_of_groups_that_do_not_train_can_be_left_out() -> None:
    settings = UpdateConfig(kl_coefficient=0.5, micro_batch_size=4)
    everywhere, with_idle = updated(shared_prefix.score, settings, Reference(untrained(seed=6)))
    masked, without = updated(shared_prefix.score, settings, Reference(untrained(seed=6)), idle_feel_kl=False)
    assert (everywhere.skipped, masked.skipped) == (0, 1)
    assert everywhere.sums.tokens - masked.sums.tokens == 12
    assert relative(without, with_idle) > 1e-3


@pytest.mark.parametrize("pack_tokens", [1, 100_000])
def test_certainties_are_means_over_the_tokens_of_each_completion(pack_tokens: int) -> None:
    groups, heat = random_groups(SHAPES), 0.7
    found = updater(shared_prefix.score, UpdateConfig(pack_tokens=pack_tokens), heat=heat).certainties(groups)
    assert [len(group) for group in found] == [3, 3, 3, 3]
    model, group = untrained(), groups[2]
    (seen,) = seen_by([group], torch.device("cpu"))
    assert seen is not None
    completion = group.completions_G_T[1]
    ids = torch.cat([group.prompt_ids, torch.tensor(completion)])[None]
    kinds = (ids == model.config.image_token_id).int()
    pictures = {"pixel_values": seen.values, "image_grid_thw": seen.grid}
    with torch.no_grad():
        logits = model(input_ids=ids, mm_token_type_ids=kinds, **pictures).logits[0, -len(completion) - 1 : -1]
    logps = torch.log_softmax(logits / heat, dim=-1)
    size = logps.shape[-1]
    drawn = logps[range(len(completion)), completion].mean()
    entropy = -(logps.exp() * logps).sum(-1).mean() / torch.tensor(float(size)).log()
    uniform_kl = (1 / size * (torch.tensor(1 / size).log() - logps)).sum(-1).mean()
    sure = found[2][1]
    wanted = (drawn.item(), entropy.item(), uniform_kl.item())
    assert (sure.logprob, sure.entropy, sure.uniform_kl) == pytest.approx(wanted, abs=1e-4)


def test_idle_groups_are_run_for_their_kl_term_alone() -> None:
    """No old log-probs are made of them: whatever they are, the ratio is multiplied by zero."""
    run: list[tuple[int, bool]] = []

    def counted(
        model: torch.nn.Module, groups: Sequence[EncodedGroup], temperature: float, *, statistics: bool = True
    ) -> TokenScores:
        run.append((sum(group.tokens for group in groups), statistics))
        return shared_prefix.score(model, groups, temperature, statistics=statistics)

    work = updater(counted, UpdateConfig(kl_coefficient=0.5, micro_batch_size=4), Reference(untrained(seed=6)))
    groups = [TrainGroup(*each, None) for each in zip(random_groups(SHAPES), ADVANTAGES, strict=True)]
    old = work.old_logps(groups)
    assert [logps is None for logps in old] == [False, True, False, False]
    assert run == [(17 + 16 + 16, False)]
    assert work.old_logps([groups[1]]) == [None]
    assert len(run) == 1
    moved = [replace(group, old_N=None if now is None else now + 0.3) for group, now in zip(groups, old, strict=True)]
    filled = [replace(group, old_N=torch.zeros(12)) if group.old_N is None else group for group in moved]
    found = []
    for each in (moved, filled):
        result = work(each, 1e-6)
        assert (result.trained, result.skipped) == (4, 0)
        assert isinstance(work.engine, GradientKeeper)
        work.engine.model.zero_grad()
        found.append((work.engine.found, result.sums.clipped))
    assert run[1:] == [(61, False), (61, True)] * 2  # the reference and the policy
    assert relative(found[0][0], found[1][0]) < 1e-6
    assert found[0][1] == found[1][1] > 0
