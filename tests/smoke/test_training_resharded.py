"""A run goes on with another number of ranks: the same weights and averages to the bit, and the same numbers after."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

from mmupt.config.train import TrainConfig
from mmupt.stages.train import check, train
from mmupt.training import distributed
from mmupt.training.assembly import assemble, prepare_device
from tests.forked_ranks import on_ranks
from tests.places import Place
from tests.training_parts import settings

SHORT = ("steps=3", "save.every=1", "save.total_limit=null", "limit=12", "freeze_vision=false")


def loaded(config: TrainConfig, ranks: int, folder: Path, saved_by: int, out: Path) -> None:
    """Write what `ranks` ranks hold after they have loaded a checkpoint: each trained weight and its averages."""

    def work(rank: int) -> None:
        device = prepare_device(config)
        world = distributed.start(device, deepspeed=True)
        trainer = assemble(config, check(config, ranks), world, device)
        trainer.engine.load(folder, saved_by)
        if config.deepspeed == "zero2":  # which tells of them by weight from its first step on
            trainer.engine.model.optimizer._lazy_init_hp_params_optimizer_state()
        held = {}
        for name, weight in trainer.engine.model.module.named_parameters():
            if weight.requires_grad:
                averages = [safe_get_full_optimizer_state(weight, key) for key in ("exp_avg", "exp_avg_sq")]
                held[name] = [each.detach().flatten().clone() for each in (safe_get_full_fp32_param(weight), *averages)]
        if rank == 0:
            torch.save(held, out)

    assert on_ranks(ranks, work)


@pytest.mark.parametrize(
    ("before", "after", "sets"),
    [
        (2, 1, ("deepspeed=zero2", "lora.rank=4")),
        (1, 2, ("deepspeed=zero3",)),
    ],
    ids=["zero2-lora", "zero3"],
)
def test_a_run_goes_on_with_another_number_of_ranks(
    tmp_path: Path, before: int, after: int, sets: tuple[str, ...]
) -> None:
    run = settings(tmp_path / "run", *SHORT, *sets)
    assert on_ranks(before, lambda _: train(run))
    shutil.move(tmp_path / "run", tmp_path / "whole")
    killed = Place("publish", step=0, event="return")
    assert not on_ranks(before, lambda _: train(run), kill_at=killed)

    folder = tmp_path / "run/checkpoints/step-1"
    loaded(run, before, folder, before, tmp_path / "before.pt")
    loaded(run, after, folder, before, tmp_path / "after.pt")
    held, again = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("before", "after"))
    assert held.keys() == again.keys() and len(held) > 20
    assert all(torch.equal(one, other) for name in held for one, other in zip(held[name], again[name], strict=True))
    assert sum(bool(mean.any() and square.any()) for _, mean, square in held.values()) > len(held) / 3

    other = settings(tmp_path / "run", *SHORT, *sets, f"ranks={after}")
    assert on_ranks(after, lambda _: train(other))
    rows, wanted = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("run", "whole")
    )
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert [value for row in rows for value in row.values()] == pytest.approx(
        [value for row in wanted for value in row.values()], rel=1e-4, abs=1e-5
    )
    states = [json.loads((tmp_path / f"run/checkpoints/step-{step}/state.json").read_text()) for step in (1, 2, 3)]
    assert [state["world_size"] for state in states] == [before, after, after]
    assert not list((tmp_path / "run/checkpoints").glob(".*"))
