"""Makes real DeepSpeed checkpoints of the tiny model with two gloo ranks: `python zero_checkpoints.py OUT PORT`.

OUT/<name>/checkpoints/step-2 is a checkpoint in the format of `mmupt train`, OUT/<name>/truth.pt holds
the weights that were trained; OUT/first/<name> is what DeepSpeed saved after the first step.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import multiprocessing

RANKS = 2
STEPS = 2


@dataclass(frozen=True)
class Case:
    name: str
    stage: int
    bf16: bool = False
    frozen_vision: bool = False
    lora: bool = False


CASES = (
    Case("zero0", 0),
    Case("zero1", 1, frozen_vision=True),
    Case("zero2", 2, frozen_vision=True),
    Case("zero3", 3, frozen_vision=True),
    Case("zero3-bf16", 3, bf16=True),
    Case("zero2-bf16", 2, bf16=True),
    Case("zero2-lora", 2, lora=True),
)


def work(rank: int, out: str, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(RANKS), "LOCAL_WORLD_SIZE": str(RANKS)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "DS_ACCELERATOR": "cpu"}
    torch.set_num_threads(1)
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="gloo")
    for case in CASES:
        train(case, Path(out) / case.name, rank)


def train(case: Case, folder: Path, rank: int) -> None:
    import deepspeed

    model = tiny(case)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    settings = {
        "train_micro_batch_size_per_gpu": 1,
        "zero_allow_untested_optimizer": True,
        "zero_optimization": {"stage": case.stage},
        "bf16": {"enabled": case.bf16},
    }
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=settings)
    for step in range(STEPS):
        ids = torch.randint(20, 700, (1, 12), generator=torch.Generator().manual_seed(10 * step + rank))
        engine.backward(engine(input_ids=ids, labels=ids).loss)
        engine.step()
        if step == 0 and case.name in ("zero2", "zero3"):
            engine.save_checkpoint(str(folder.with_name("first") / case.name), tag="deepspeed")
    checkpoint = folder / "checkpoints" / f"step-{STEPS}"
    engine.save_checkpoint(str(checkpoint), tag="deepspeed")
    with deepspeed.zero.GatheredParameters(list(model.parameters()), enabled=case.stage == 3):
        merged = model.merge_and_unload() if case.lora else model
        truth = {key: value.detach().clone() for key, value in merged.state_dict().items()}
    if rank == 0:
        torch.save(truth, folder / "truth.pt")
        finish(case, checkpoint, model)


def tiny(case: Case) -> torch.nn.Module:
    from transformers import AutoModelForImageTextToText

    from mmupt.problems.tiny import model_dir

    model = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    if case.frozen_vision:
        model.model.visual.requires_grad_(False)
    if not case.lora:
        return model
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    return get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"]))


def finish(case: Case, checkpoint: Path, model: torch.nn.Module) -> None:
    from mmupt.problems.tiny import model_dir
    from mmupt.training.checkpoint import LoraShape, State, write_state

    for file in model_dir().iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, checkpoint / file.name)
    lora = LoraShape(4, 8, ("q_proj", "down_proj")) if case.lora else None
    if case.lora:
        model.peft_config["default"].save_pretrained(checkpoint)
    write_state(checkpoint, State("deepspeed", case.stage, RANKS, STEPS, "tiny", lora))


if __name__ == "__main__":
    multiprocessing.spawn(work, args=(sys.argv[1], int(sys.argv[2])), nprocs=RANKS)
