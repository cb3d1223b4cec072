"""Builds the command that starts one training process for each device: strings in, strings out, nothing is started."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmupt.errors import UserError

Launcher = Literal["torchrun", "accelerate", "deepspeed"]


@dataclass(frozen=True, slots=True)
class World:
    """How many processes there are, and where they meet."""

    processes: int = 1
    """On each machine."""
    machines: int = 1
    machine: int = 0
    """Number of this machine, 0 <= machine < machines."""
    address: str = "127.0.0.1"
    """Host name or address of machine 0."""
    port: int = 29500

    def __post_init__(self) -> None:
        if self.processes < 1 or self.machines < 1:
            raise UserError("a launch needs at least one process on at least one machine")
        if not 0 <= self.machine < self.machines:
            raise UserError(f"machine {self.machine} is none of the {self.machines}", fix="count machines from 0")


def command(arguments: Sequence[str], world: World, launcher: Launcher = "torchrun") -> list[str]:
    """The command that runs `mmupt ARGUMENTS` once for each process of this machine, with this same Python."""
    start = {"torchrun": _torchrun, "accelerate": _accelerate, "deepspeed": _deepspeed}[launcher]
    return [*start(world), "mmupt", *arguments]


def shown(words: Sequence[str]) -> str:
    """The command as a line that a shell takes."""
    return shlex.join(["python" if word == sys.executable else word for word in words])


def _torchrun(world: World) -> list[str]:
    head = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={world.processes}"]
    if world.machines == 1:
        # A free port is found, so that two runs on one machine do not collide.
        return [*head, "--standalone", "-m"]
    there = [f"--nnodes={world.machines}", f"--node-rank={world.machine}"]
    return [*head, *there, f"--master-addr={world.address}", f"--master-port={world.port}", "-m"]


def _accelerate(world: World) -> list[str]:
    head = [sys.executable, "-m", "accelerate.commands.launch", "--mixed_precision=no", "--dynamo_backend=no"]
    size = [f"--num_processes={world.processes * world.machines}", f"--num_machines={world.machines}"]
    meet = [f"--main_process_ip={world.address}", f"--main_process_port={world.port}"]
    many = ["--multi_gpu"] if world.processes * world.machines > 1 else []
    return [*head, *many, *size, f"--machine_rank={world.machine}", *meet, "--module"]


def _deepspeed(world: World) -> list[str]:
    head = [sys.executable, "-m", "deepspeed.launcher.runner", f"--num_gpus={world.processes}"]
    meet = [f"--master_addr={world.address}", f"--master_port={world.port}"]
    many = [f"--num_nodes={world.machines}", "--no_ssh", f"--node_rank={world.machine}"] if world.machines > 1 else []
    # Without it every rank is given an option --local_rank, which it has in its environment anyway.
    return [*head, *many, *meet, "--no_local_rank", "--module"]
