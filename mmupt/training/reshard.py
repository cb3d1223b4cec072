"""A DeepSpeed checkpoint for another number of ranks than those that saved it, through DeepSpeed's universal format.

All weights and the optimiser's averages come back to the bit. What is trained from there on differs from a run with the
old number of ranks by the order of sums alone.
"""

import argparse
import io
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from deepspeed.checkpoint import ds_to_universal

from mmupt import console
from mmupt.training import checkpoint
from mmupt.training.distributed import Ranks

POLL = 0.1
"""Seconds between looks of the ranks that wait for the first one. No collective waits: it would time out in the hours
that a large checkpoint may take."""


@contextmanager
def resharded(folder: Path, saved_by: int, ranks: Ranks) -> Iterator[Path]:
    """A folder beside that of the checkpoint which holds it for any number of ranks. All ranks enter it together; it is
    gone afterwards. One that a killed attempt left is whole, and used."""
    aside = folder.with_name(f".{folder.name}.universal")
    if ranks.first:
        for other in folder.parent.glob(".step-*.universal"):
            if other != aside:
                shutil.rmtree(other, ignore_errors=True)
        if not aside.exists():
            console.warn(f"{folder.name} was saved by {saved_by} ranks: it is converted for {ranks.size}, aside")
            _convert(folder, aside)
    while not aside.exists():
        time.sleep(POLL)
    ranks.barrier()
    yield aside
    ranks.barrier()
    if ranks.first:
        shutil.rmtree(aside, ignore_errors=True)


def _convert(folder: Path, aside: Path) -> None:
    partial = aside.with_name(f"{aside.name}.partial")
    checkpoint.clear(partial)
    settings = argparse.Namespace(
        input_folder=str(folder / checkpoint.DEEPSPEED_TAG),
        output_folder=str(partial / checkpoint.DEEPSPEED_TAG),
        num_extract_workers=1,
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,
    )
    (partial / checkpoint.DEEPSPEED_TAG).mkdir()
    with checkpoint.whole_or_none(partial), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        ds_to_universal.main(settings)
    partial.rename(aside)
