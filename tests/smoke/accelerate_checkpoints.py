"""Makes checkpoints of the tiny model with accelerate itself: `python accelerate_checkpoints.py OUT PORT`.

Two real gloo ranks train two steps under each of `CASES` and call `Accelerator.save_state`; OUT/<case> is what it
writes, OUT/<case>-truth.pt holds the weights; OUT/first is `fsdp2-sharded` after its first step. accelerate takes FSDP
for a matter of GPUs, so its state is told by hand that this is FSDP; what prepares the model and what writes the files
is its own code.
"""

import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator, DeepSpeedPlugin, DistributedType
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import FullyShardedDataParallelPlugin, save_fsdp_model
from torch import distributed, multiprocessing
from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType
from transformers import AutoModelForImageTextToText

from mmupt.problems.tiny import model_dir

RANKS = 2
STEPS = 2
CASES = ("fsdp2-sharded", "fsdp2-ranks", "fsdp2-full", "fsdp1-sharded", "ddp", "ddp-bin", "zero2")


def work(rank: int, out: str, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(RANKS), "LOCAL_WORLD_SIZE": str(RANKS)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "DS_ACCELERATOR": "cpu"}
    torch.set_num_threads(1)
    for case in CASES:
        train(case, rank, Path(out))


def train(case: str, rank: int, out: Path) -> None:
    accelerator = accelerated(case)
    model = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    if case.startswith("ddp"):  # there is no picture below, and DDP wants a gradient of every weight
        model.model.visual.requires_grad_(False)
    if case.startswith("fsdp1"):  # accelerate would ask for a GPU by its number
        model = FullyShardedDataParallel(model, device_id=torch.device("cpu"), use_orig_params=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model, optimizer = accelerator.prepare(model, optimizer)
    for step in range(STEPS):
        ids = torch.randint(20, 700, (1, 12), generator=torch.Generator().manual_seed(10 * step + rank))
        accelerator.backward(model(input_ids=ids, labels=ids).loss)
        optimizer.step()
        optimizer.zero_grad()
        if (case, step) == ("fsdp2-sharded", 0):
            accelerator.save_state(str(out / "first"))
    if case == "fsdp2-ranks":
        save_fsdp_model(accelerator.state.fsdp_plugin, accelerator, model, str(out / case), use_dcp=False)
    else:
        accelerator.save_state(str(out / case), safe_serialization=case != "ddp-bin")
    truth = gathered(model) if case.startswith("fsdp1") else accelerator.get_state_dict(model)
    if rank == 0:
        torch.save({name: value.detach().clone() for name, value in truth.items()}, out / f"{case}-truth.pt")
    accelerator.wait_for_everyone()


def gathered(model: FullyShardedDataParallel) -> dict[str, torch.Tensor]:
    """The weights of FSDP1, whole on rank 0; its own way of gathering them needs a GPU."""
    whole = {}
    with FullyShardedDataParallel.state_dict_type(model, StateDictType.SHARDED_STATE_DICT):
        for name, value in model.state_dict().items():
            whole[name] = torch.empty(value.size())
            value.gather(0, whole[name] if distributed.get_rank() == 0 else None)
    return whole


def accelerated(case: str) -> Accelerator:
    AcceleratorState._reset_state(reset_partial_state=True)
    if case.startswith("zero"):
        settings = {"train_micro_batch_size_per_gpu": 1, "zero_allow_untested_optimizer": True}
        zero = {"zero_optimization": {"stage": int(case.removeprefix("zero"))}}
        return Accelerator(deepspeed_plugin=DeepSpeedPlugin({**settings, **zero}))
    accelerator = Accelerator(cpu=True)
    if case.startswith("fsdp"):
        kind = "FULL_STATE_DICT" if case.endswith("full") else "SHARDED_STATE_DICT"
        plugin = FullyShardedDataParallelPlugin(fsdp_version=int(case[4]), state_dict_type=kind, use_orig_params=True)
        PartialState().distributed_type = accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = plugin
    return accelerator


if __name__ == "__main__":
    multiprocessing.spawn(work, args=(sys.argv[1], int(sys.argv[2])), nprocs=RANKS)
