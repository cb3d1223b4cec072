"""The processes of one training run: who am I, and small facts from everybody.

Ranks come from the launcher's environment (RANK, WORLD_SIZE: torchrun, accelerate and the deepspeed launcher all set
them). Without one the run has a single rank, and needs neither a port nor a network.
"""

import atexit
import os
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The group of processes that train together."""

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def gather(self, mine: T) -> list[T]:
        """Every rank's value, in the order of ranks; all ranks must call it."""
        if self.size == 1:
            return [mine]
        values: list[T] = [mine] * self.size
        dist.all_gather_object(values, mine)
        return values

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()


def start(device: torch.device, *, deepspeed: bool) -> Ranks:
    """Join the process group that the environment names; DeepSpeed needs one in a run of a single process, too."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    backend = "nccl" if device.type == "cuda" else "gloo"
    if size == 1 and not deepspeed:
        return Ranks(0, 1)
    if not dist.is_initialized():
        if size > 1:
            dist.init_process_group(backend, rank=rank, world_size=size)
        else:
            dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        # DeepSpeed keeps hold of the first group that it sees: it lives as long as the process does.
        atexit.register(_leave)
    assert (dist.get_rank(), dist.get_world_size()) == (rank, size), "the process group differs from the environment"
    return Ranks(rank, size)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
