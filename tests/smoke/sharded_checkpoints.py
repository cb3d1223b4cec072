"""Makes sharded checkpoints of the tiny model: `python sharded_checkpoints.py OUT PORT`.

Two real gloo ranks train two steps under FSDP2, one weight of which is not sharded, and save after each of them what
EasyR1 and verl save (`verl/global_step_N`), a distributed checkpoint (`dcp`), and one with the optimiser in it
(`trainer`); what the first step saved is below OUT/first. OUT/truth.pt holds the weights. `hsdp` has four ranks, two
shards in two copies, and `lora` a model with adapters and verl's `lora_adapter` (its truth is OUT/lora-truth.pt); each
rank's file of these two is made in torch's `fake` process group.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import distributed, multiprocessing
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import AutoModelForImageTextToText

from mmupt.problems.tiny import model_dir

RANKS = 2
FIRST = 6
"""The number of the first step."""


def work(rank: int, out: str, port: int) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=RANKS)
    model = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    mesh = init_device_mesh("cpu", (RANKS,), mesh_dim_names=("fsdp",))
    whole = model.model.visual.merger.ln_q.weight.requires_grad_(False)
    for layer in model.model.language_model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params={whole})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step, folder in enumerate((Path(out, "first"), Path(out))):
        ids = torch.randint(20, 700, (1, 12), generator=torch.Generator().manual_seed(2 * step + rank))
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        save(model, optimizer, FIRST + step, folder)
    weights = {
        name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in model.state_dict().items()
    }
    if rank == 0:
        torch.save(weights, Path(out, "truth.pt"))


def save(model: torch.nn.Module, optimizer: torch.optim.Optimizer, step: int, out: Path) -> None:
    rank, state = distributed.get_rank(), model.state_dict()
    actor = out / "verl" / f"global_step_{step}" / "actor"
    actor.mkdir(parents=True, exist_ok=True)
    extra = {"lr_scheduler": {"last_epoch": step}, "rng": {"numpy": torch.get_rng_state()}}
    for name, content in {"model": state, "optim": optimizer.state_dict(), "extra_state": extra}.items():
        torch.save(content, actor / f"{name}_world_size_{RANKS}_rank_{rank}.pt")
    checkpoint.save(state, checkpoint_id=out / "dcp")
    moments = get_optimizer_state_dict(model, optimizer)
    checkpoint.save({"model": state, "optimizer": moments}, checkpoint_id=out / "trainer")
    if rank == 0:
        shutil.copytree(model_dir(), actor / "huggingface", ignore=shutil.ignore_patterns("*.safetensors"))


def sharded(state: Mapping[str, torch.Tensor], folder: Path, copies: int) -> None:
    """Two shards, each in some copies."""
    folder.mkdir(parents=True)
    world = 2 * copies
    for rank in range(world):
        distributed.init_process_group("fake", rank=rank, world_size=world, store=FakeStore())
        mesh = init_device_mesh("cpu", (copies, 2), mesh_dim_names=("ddp", "fsdp"))
        made = {}
        for name, value in state.items():
            parts = [*value.chunk(2), value[:0]]
            facts = {"run_check": False, "shape": value.shape, "stride": value.stride()}
            made[name] = DTensor.from_local(parts[rank % 2].clone(), mesh, [Replicate(), Shard(0)], **facts)
        torch.save(made, folder / f"model_world_size_{world}_rank_{rank}.pt")
        distributed.destroy_process_group()


def lora(out: Path) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(2)
    base = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"]))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    actor = out / "lora" / "global_step_2" / "actor"
    sharded({name: value.detach().clone() for name, value in model.state_dict().items()}, actor, copies=1)
    model.save_pretrained(actor / "lora_adapter")
    torch.save(dict(model.merge_and_unload().state_dict()), out / "lora-truth.pt")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    multiprocessing.spawn(work, args=(sys.argv[1], int(sys.argv[2])), nprocs=RANKS)
    sharded(torch.load(folder / "truth.pt", weights_only=True), folder / "hsdp", copies=2)
    lora(folder)
