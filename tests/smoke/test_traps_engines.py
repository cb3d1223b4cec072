"""Traps of the engines (docs/traps.md): DeepSpeed compiles for minutes on a CPU, and can see another world than the
run's; a learning rate of 1e-6 rounds away in bfloat16 weights."""

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from mmupt.config.merge import MergeConfig
from mmupt.config.train import UpdateConfig
from mmupt.stages.merge import merge
from mmupt.stages.train import train
from mmupt.training import distributed, shared_prefix
from mmupt.training.distributed import Ranks
from mmupt.training.engine_deepspeed import DeepSpeedEngine
from mmupt.training.engine_plain import PlainEngine
from tests.training_parts import guesser, on_ranks, random_groups, settings, untrained

SAVED = "model.layers.0.mlp.down_proj.weight"


def moved(before: torch.Tensor, after: torch.Tensor) -> float:
    """The share of numbers that differ."""
    return float((before.float() != after.float()).float().mean())


def test_in_bfloat16_weights_a_step_at_1e_6_is_lost() -> None:
    model, rules = untrained().to(torch.bfloat16), UpdateConfig(learning_rate=1e-6)
    weight = model.model.language_model.layers[0].mlp.down_proj.weight
    before = weight.detach().clone()
    engine = PlainEngine(model, rules)
    engine.backward(-shared_prefix.score(model, random_groups([(1, (5, 5))]), 1.0).logps_N.mean(), last=True)
    engine.step(rules.learning_rate)
    assert moved(before, weight) < 0.05


@pytest.mark.parametrize("deepspeed", ["none", "zero2", "zero3"])
def test_the_float32_weights_move_at_1e_6_and_nothing_is_compiled(tmp_path: Path, deepspeed: str) -> None:
    run = settings(tmp_path / "run", "steps=1", "dtype=bfloat16", "update.learning_rate=1e-6", f"deepspeed={deepspeed}")

    def work(_: int) -> None:
        os.environ["TORCH_EXTENSIONS_DIR"] = str(tmp_path / "compiled")
        train(run)

    assert on_ranks(1, work)
    assert not (tmp_path / "compiled").exists()
    merge(MergeConfig(checkpoint=tmp_path / "run", out=tmp_path / "merged", dtype="float32"))
    before = load_file(guesser() / "model.safetensors")[SAVED]
    if deepspeed != "none":
        before = before.bfloat16().float()  # what DeepSpeed's float32 weights start from
    after = load_file(tmp_path / "merged" / "model.safetensors")[SAVED]
    assert moved(before, after) > 0.9
    assert 1e-7 < float((after - before).abs().max()) < 1e-5


def test_an_engine_that_sees_another_world_stops_the_run() -> None:
    def work(_: int) -> None:
        distributed.start(torch.device("cpu"), deepspeed=True)
        with pytest.raises(AssertionError, match=r"DeepSpeed sees \(rank, world, stage\) = \(0, 1, 2\)"):
            DeepSpeedEngine(untrained(), UpdateConfig(), Ranks(1, 1), 2)

    assert on_ranks(1, work)


def test_a_process_group_that_is_not_the_launchers_stops_the_run() -> None:
    def work(_: int) -> None:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        os.environ["WORLD_SIZE"] = "2"
        with pytest.raises(AssertionError, match="the process group differs from the environment"):
            distributed.start(torch.device("cpu"), deepspeed=True)

    assert on_ranks(1, work)
