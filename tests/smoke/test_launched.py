"""Two ranks, started by `mmupt train` itself or by each launcher: the same run to the byte, and where it is stopped or
killed no process is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmupt import launch
from tests.kills import fingerprint
from tests.troubles import STOPPED

TRAIN = ["train", "--data", "tiny:train", "--deepspeed", "zero2", "--out", "run"]
SETS = ["ranks=2", "device=cpu", "limit=8", "steps=3", "problems_per_step=4", "updates_per_step=1", "group_size=4"]
SETS += ["rollout.max_tokens=8", "update.learning_rate=1e-3", "save.every=1", "save.total_limit=null"]
COMMAND = [*TRAIN, *(word for each in SETS for word in ("--set", each))]


def start(command: list[str], cwd: Path) -> subprocess.Popen[str]:
    """The command, with a variable in its environment and so in that of all processes that it starts."""
    marked = os.environ | {"STARTED_IN": str(cwd)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, env=marked, text=True, start_new_session=True, **pipes)


def left(cwd: Path, patience: float = 10.0) -> list[str]:
    """Command lines of the processes that live on after so many seconds."""
    until = time.monotonic() + patience
    while (found := list(_started_in(cwd))) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def _started_in(cwd: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"STARTED_IN={cwd}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended just now, or is somebody else's
            continue
    return [command for command in found if command]


def wait_for_checkpoint(step: int, process: subprocess.Popen[str], cwd: Path) -> None:
    until = time.monotonic() + 150
    while not (cwd / f"run/checkpoints/step-{step}").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of a run that started its ranks itself, was stopped, then killed, and was ended by torchrun."""
    cwd = tmp_path_factory.mktemp("disturbed")
    mmupt = [sys.executable, "-m", "mmupt", *COMMAND]

    process = start(mmupt, cwd)
    wait_for_checkpoint(1, process, cwd)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert [line for line in said.splitlines() if "error" in line.lower()] == [STOPPED]
    assert "Traceback" not in said
    assert left(cwd) == []

    process = start(mmupt, cwd)
    wait_for_checkpoint(2, process, cwd)
    assert len(_started_in(cwd)) >= 4  # itself, torchrun and two ranks
    process.kill()
    process.communicate()
    assert left(cwd) == []

    return ended_by("torchrun", cwd)


def ended_by(launcher: launch.Launcher, cwd: Path) -> dict[str, str]:
    world = launch.World(processes=2, port=29500 + os.getpid() % 10000)
    process = start(launch.command(COMMAND, world, launcher), cwd)
    _, said = process.communicate(timeout=150)
    assert process.returncode == 0, said[-4000:]
    assert left(cwd) == []
    return fingerprint(cwd / "run")


@pytest.mark.parametrize("launcher", ["accelerate", "deepspeed"])
def test_under_a_launcher_the_run_is_that_of_ranks_that_we_start(
    launcher: launch.Launcher, disturbed: dict[str, str], tmp_path: Path
) -> None:
    found = ended_by(launcher, tmp_path)
    assert found == disturbed
    assert {"metrics.jsonl", "rollouts.jsonl", "done.json"} <= found.keys()
    shards = [f"checkpoints/step-3/deepspeed/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in (0, 1)]
    assert all(shard in found for shard in shards)
