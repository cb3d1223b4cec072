"""Training in forked processes that find each other as a launcher's ranks do, undisturbed or killed."""

import gc
import importlib
import os
import random
import shutil
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from mmupt.training import checkpoint
from tests.kills import fingerprint
from tests.places import Place

PATIENCE = 150.0
"""Seconds after which ranks that wait for each other are taken for hung."""


def survive(size: int, work: Callable[[], object], folder: Path, kills: int) -> tuple[dict[str, str], dict[str, str]]:
    """What an undisturbed run on `size` ranks leaves in the folder, and what one that was killed so many times leaves.

    Moments are drawn evenly over the length of a run; one that gets to its end before all kills are spent starts over.
    """
    began = time.monotonic()
    assert on_ranks(size, lambda _: work())
    length = time.monotonic() - began
    undisturbed = fingerprint(folder)
    shutil.rmtree(folder)
    moments, hits = random.Random(3), 0
    while hits < kills:
        if on_ranks(size, lambda _: work(), kill_after=moments.uniform(0.1, 0.9) * length):
            assert fingerprint(folder) == undisturbed
            shutil.rmtree(folder)
        else:
            hits += 1
    assert on_ranks(size, lambda _: work())
    return undisturbed, fingerprint(folder)


def survive_places(size: int, work: Callable[[], object], folder: Path, places: Sequence[Place]) -> dict[str, str]:
    """What a run on `size` ranks leaves that is killed at each of the places, one attempt after the other.

    After every kill the newest checkpoint is no older than it was.
    """
    newest = 0
    for place in places:
        assert not on_ranks(size, lambda _: work(), kill_at=place), f"the run ended without coming to {place}"
        steps = checkpoint.saved_steps(folder / "checkpoints")
        assert max(steps, default=0) >= newest, f"killed at {place}, the run has lost a checkpoint"
        newest = max(steps, default=0)
    assert on_ranks(size, lambda _: work())
    return fingerprint(folder)


def on_ranks(
    size: int, work: Callable[[int], object], kill_after: float | None = None, kill_at: Place | None = None
) -> bool:
    """Do the work in `size` forked processes that find each other as a launcher's ranks do; `work` is given the rank.

    Returns whether all of them came to their end. With `kill_after` they are killed after so many seconds; with
    `kill_at` one is killed there, and the others as soon as it is seen.
    """
    if size > 1:
        _import_for_ranks()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            _be_rank(rank, size, port, work, kill_at)
        children.append(child)
    stop_at = time.monotonic() + (PATIENCE if kill_after is None else kill_after)
    ends: dict[int, int] = {}
    while len(ends) < size:
        late = time.monotonic() > stop_at or any(ends.values())
        for child in children:
            if child not in ends:
                if late:
                    os.kill(child, signal.SIGKILL)
                done, status = os.waitpid(child, 0 if late else os.WNOHANG)
                ends |= {child: status} if done else {}
        time.sleep(0.02)
    killed = signal.SIGKILL in ends.values() and (kill_after is not None or kill_at is not None)
    # Beside a rank that was killed another may find its connection lost before it is killed, too.
    assert killed or not any(ends.values()), f"the ranks ended with {ends}"
    return not any(ends.values())


def _import_for_ranks() -> None:
    """What every rank would else import after its fork: DeepSpeed, and for its Muon all of torch's compiler."""
    for name in ("mmupt.training.engine_deepspeed", "deepspeed.runtime.zero.muon.muon_optimizer"):
        importlib.import_module(name)


def _be_rank(rank: int, size: int, port: int, work: Callable[[int], object], kill_at: Place | None) -> NoReturn:
    code = 1
    gc.freeze()  # what comes from the parent stays: looking through it again takes a second
    try:
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
        os.environ.update(meet, RANK=str(rank), LOCAL_RANK=str(rank))
        if kill_at is not None and min(kill_at.rank, size - 1) == rank:
            kill_at.watch()
        work(rank)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
