"""The launch command, checked by launching it."""

import subprocess
import sys

import pytest

from mmupt import launch
from mmupt.errors import UserError


def test_one_machine_meets_at_a_free_port():
    words = launch.command(["train", "--set", "seed=1"], launch.World(processes=2))
    assert words[0] == sys.executable
    assert " ".join(words[1:]) == (
        "-m torch.distributed.run --nproc-per-node=2 --standalone -m mmupt train --set seed=1"
    )


def test_several_machines_meet_at_the_first():
    world = launch.World(processes=8, machines=4, machine=3, address="node0", port=1234)
    shown = launch.shown(launch.command(["train", "recipe.toml"], world))
    assert shown == (
        "python -m torch.distributed.run --nproc-per-node=8 --nnodes=4 --node-rank=3 "
        "--master-addr=node0 --master-port=1234 -m mmupt train recipe.toml"
    )


@pytest.mark.parametrize(
    ("launcher", "parts"),
    [
        ("accelerate", ["--multi_gpu", "--num_processes=16", "--num_machines=2", "--machine_rank=1", "--module mmupt"]),
        ("deepspeed", ["--num_gpus=8", "--num_nodes=2", "--node_rank=1", "--no_ssh", "--no_local_rank --module mmupt"]),
    ],
)
def test_the_other_launchers_get_the_same_world(launcher, parts):
    shown = launch.shown(launch.command(["train"], launch.World(processes=8, machines=2, machine=1), launcher))
    assert [part for part in parts if part not in shown] == []


@pytest.mark.parametrize("world", [{"processes": 0}, {"machines": 0}, {"machines": 2, "machine": 2}])
def test_a_world_that_cannot_be_is_refused(world):
    with pytest.raises(UserError):
        launch.World(**world)


def test_arguments_with_spaces_reach_a_shell_whole():
    assert launch.shown(launch.command(["train", "--set", 'model="a b"'], launch.World())).endswith("'model=\"a b\"'")


def test_torchrun_takes_the_command_and_starts_every_rank():
    words = launch.command(["--version"], launch.World(processes=2))
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("mmupt 0.1.0") == 2
