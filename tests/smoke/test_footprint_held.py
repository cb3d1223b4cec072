"""What a dry run says of weights, gradients, optimiser and checkpoints is what the engines really hold and write."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from mmupt import config
from mmupt.config.train import TrainConfig
from mmupt.problems.tiny import model_dir
from mmupt.sampling import loading
from mmupt.training import distributed, shared_prefix
from mmupt.training.engine import Engine
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.footprint import Weights, footprint, weights_of
from mmupt.training.model_shape import ModelShape, find_shape
from mmupt.training.policy import Reference, freeze_vision, with_lora
from mmupt.training.scores import EncodedGroup
from mmupt.training.storage import checkpoint_bytes
from tests.bench.models import random_group
from tests.forked_ranks import on_ranks
from tests.live_tensors import held
from tests.training_parts import untrained

CASES = [
    ("none",),
    ("none", "lora.rank=4", "freeze_vision=true"),
    ("zero1", "dtype=bfloat16", "update.kl_coefficient=0.0"),
    ("zero2", "dtype=bfloat16"),
    ("zero2", "lora.rank=4", "freeze_vision=true"),
    ("zero3", "dtype=bfloat16", "freeze_vision=true"),
    ("zero3", "lora.rank=4", "freeze_vision=true"),
]
ALWAYS_WHOLE = 100_000
"""ZeRO-3 keeps weights of fewer elements whole (its stage3_param_persistence_threshold): next to nothing of a large
model, most of this one."""
SIDE_FILES = 400_000
"""Bytes of a checkpoint's configuration, and of what torch's files add to their tensors."""


def settings(sets: Sequence[str]) -> TrainConfig:
    return config.parse(TrainConfig, {"model": "tiny", "deepspeed": sets[0]}, sets[1:])


def engine_of(asked: TrainConfig, ranks: distributed.Ranks) -> tuple[Engine, Reference | None]:
    """As `assembly` makes them."""
    weights = weights_of(asked, shape(), on_gpu=False)
    model = loading.load_model(str(model_dir()), dtype="bfloat16" if weights.held == 2 else "float32", device="cpu")
    if asked.freeze_vision:
        freeze_vision(model)
    policy = model if asked.lora is None else with_lora(model, asked.lora, vision=not asked.freeze_vision, seed=0)
    reference = Reference(policy) if asked.update.kl_coefficient else None
    if asked.deepspeed == "none":
        return PlainEngine(policy, asked.update), reference
    from mmupt.training.engine_deepspeed import DeepSpeedEngine

    return DeepSpeedEngine(policy, asked.update, ranks, int(asked.deepspeed[-1]), sampled_here=False), reference


def shape() -> ModelShape:
    found = find_shape("tiny")
    assert found is not None
    return found


def measure(sets: Sequence[str], folder: Path) -> None:
    """One update on this rank: bytes held before the gradient, and after the step; sizes of its checkpoint."""
    asked = settings(sets)
    torch.set_num_threads(1)
    ranks = distributed.start(torch.device("cpu"), deepspeed=asked.deepspeed != "none")
    before = held()
    engine, reference = engine_of(asked, ranks)
    group = random_group(
        loading.load_model(str(model_dir()), dtype="float32", device="cpu"), cells=(2, 2), completions=2, tokens=2
    )
    engine.backward(shared_prefix.score(engine.model, [group], 1.0).logps_N.mean(), last=True)
    engine.step(1e-6)
    there = held() - before - sum(each.nbytes for each in tensors(group))
    (folder / "checkpoint").mkdir(exist_ok=True)
    ranks.barrier()
    engine.save(folder / "checkpoint")
    ranks.barrier()
    if ranks.first:
        written = sum(file.stat().st_size for file in (folder / "checkpoint").rglob("*") if file.is_file())
        told = {"held": there, "written": written, "reference": reference is not None}
        (folder / "told.json").write_text(json.dumps(told))


def tensors(group: EncodedGroup) -> list[torch.Tensor]:
    assert group.pictures is not None
    shown = group.pictures.on(torch.device("cpu"))
    return [group.prompt_ids, shown.values, shown.grid]


def kept_by_zero3(asked: TrainConfig, weights: Weights, ranks: int) -> int:
    """What it holds beyond an update: the bucket, its share of the gradients, and small weights whole."""
    model = untrained()
    sizes = [each.numel() for each in model.parameters()]
    adapters = weights.adapters  # none of them is large
    small = sum(size for size in sizes if size < ALWAYS_WHOLE) + adapters
    return weights.held * (weights.trained + weights.trained // ranks + small)


@pytest.mark.parametrize("sets", CASES, ids="-".join)
def test_the_engines_hold_and_write_what_the_dry_run_says(tmp_path: Path, sets: tuple[str, ...]) -> None:
    asked = settings(sets)
    ranks = 1 if asked.deepspeed == "none" else 2
    assert on_ranks(ranks, lambda _: measure(sets, tmp_path))
    told = json.loads((tmp_path / "told.json").read_text())
    weights = weights_of(asked, shape(), on_gpu=False)
    found = footprint(asked, shape(), ranks, on_gpu=False, gpu_bytes=0, engine="scripted")
    said = sum(part.size for part in found.always)
    if asked.deepspeed == "zero3":
        said += kept_by_zero3(asked, weights, ranks)
    assert told["held"] == pytest.approx(said, rel=1e-3)
    assert 0 <= told["written"] - checkpoint_bytes(asked, weights) < SIDE_FILES
