"""The current weights in a folder, for as long as engines read them: the way from the trainer to vLLM.

One rank of each machine writes them, or the first rank alone: into shared memory where there is room and else into the
folder for temporary files, or into a folder that the settings name. What a killed run has left behind, the next run on
the machine removes.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mmupt.config.sampling import RolloutConfig
from mmupt.disk import disk_errors
from mmupt.errors import UserError
from mmupt.sampling.loading import DTYPES
from mmupt.training.distributed import Ranks
from mmupt.training.engine import Engine
from mmupt.training.whole_weights import go_through, total_bytes, write_weights

PREFIX = "mmupt-policy-"
SHARED_MEMORY = Path("/dev/shm")
SPARE = 1.2
"""Shared memory is used if it has this many times the weights left."""
YOUNG = 60.0
"""Seconds in which a folder may not yet be locked by the run that made it."""


def dtype_of(settings: RolloutConfig, device: torch.device) -> str:
    """The numbers in which the engine holds its weights, and is given them."""
    asked = settings.dtype or ("bfloat16" if device.type == "cuda" else "float32")
    if asked not in DTYPES:
        raise UserError(f"no dtype {asked!r}", where="rollout.dtype", fix=f"choose one of {', '.join(DTYPES)}")
    return asked


@contextmanager
def handed_over(
    engine: Engine, ranks: Ranks, dtype: torch.dtype, *, once: bool = False, root: str | None = None
) -> Iterator[Path]:
    """A folder with the weights, on every rank, until the block has ended on all of them.

    `once`: the first rank writes, for an engine that all share. `root`: where, instead of shared memory.
    """
    writes = ranks.first if once else int(os.environ.get("LOCAL_RANK", "0")) == 0
    size = total_bytes(engine.model.parameters(), dtype)
    with _folder(Path(root) if root is not None else _roomy(size)) if writes else _nothing() as mine:
        if mine is None:
            go_through(engine.weights())
        else:
            write_weights(engine.weights(), mine, dtype)
        known = [folder for folder in ranks.gather(mine)[: ranks.rank + 1] if folder is not None]
        yield known[-1]  # the writer of a machine comes before its other ranks
        ranks.barrier()


def _roomy(size: int) -> Path:
    if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > SPARE * size:
        return SHARED_MEMORY
    return Path(tempfile.gettempdir())


@contextmanager
def _folder(root: Path) -> Iterator[Path | None]:
    """A new folder in `root`, locked for as long as this process holds it."""
    _remove_left_behind(root)
    with disk_errors(root):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def _nothing() -> Iterator[Path | None]:
    yield None


def _remove_left_behind(root: Path) -> None:
    for folder in root.glob(f"{PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:  # gone by now, or someone else's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - folder.stat().st_mtime > YOUNG:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # a run holds it
            continue
        finally:
            os.close(lock)
