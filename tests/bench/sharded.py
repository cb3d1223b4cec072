"""Synthetic checkpoints of torch's own sharded layouts, and DeepSpeed's universal one, for the bench of merging.

DTensors are made for real: torch's `fake` process group lets one process be any rank of a mesh.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import distributed

from tests.bench.checkpoints import RANKS, TAG, Model, model_at, model_states, tagged


def fsdp(made: Model, out: Path) -> list[str]:
    """EasyR1's and verl's: one file a rank, each parameter a DTensor cut along its first dimension."""
    out.mkdir()
    for rank in range(RANKS):
        command = [sys.executable, "-m", "tests.bench.sharded", str(made.folder), str(out), str(rank)]
        subprocess.run(command, check=True)
    return [str(out), "--set", f"base={made.folder}"]


def one_rank(made: Model, out: Path, rank: int) -> None:
    """The file of one rank."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", rank=rank, world_size=RANKS, store=FakeStore())
    mesh = init_device_mesh("cpu", (RANKS,), mesh_dim_names=("fsdp",))
    state = {}
    for name, value in made.weights():
        parts = value.chunk(RANKS)
        local = parts[rank].clone() if rank < len(parts) else value[:0].clone()
        state[name] = DTensor.from_local(
            local, mesh, [Shard(0)], run_check=False, shape=value.shape, stride=value.stride()
        )
    torch.save(state, out / f"model_world_size_{RANKS}_rank_{rank}.pt")


def distributed_checkpoint(made: Model, out: Path) -> list[str]:
    """torch.distributed.checkpoint's: `.metadata` and `*.distcp`."""
    from torch.distributed import checkpoint

    checkpoint.save(dict(made.weights()), checkpoint_id=str(out), no_dist=True)
    return [str(out), "--set", f"base={made.folder}"]


def universal(made: Model, out: Path) -> list[str]:
    """DeepSpeed's: one folder for each parameter."""
    folder = tagged(out)
    torch.save(model_states(made, {}), folder / "mp_rank_00_model_states.pt")
    for name, value in made.weights():
        (folder / "zero" / name).mkdir(parents=True)
        torch.save({"param": value}, folder / "zero" / name / "fp32.pt")
    (out / "latest_universal").write_text(TAG)
    return [str(out), "--set", f"base={made.folder}"]


KINDS: Mapping[str, Callable[[Model, Path], list[str]]] = {
    "FSDP": fsdp,
    "distributed": distributed_checkpoint,
    "universal": universal,
}
"""As in `checkpoints`."""


if __name__ == "__main__":
    one_rank(model_at(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]))
