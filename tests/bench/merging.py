"""Memory and time of `mmupt merge` on synthetic checkpoints: `python -m tests.bench.merging [--size 2] [--kinds ...]`.

Every merge is a process of its own, measured from start to end. `peak` is the kernel's own high-water mark of resident
memory (VmHWM: private memory and every page of a mapped file that is resident; ru_maxrss would count the parent too),
`private` the largest RssAnon, which leaves pages of files out; both are read every 20 ms, and added up over the process
and those that it has started. DeepSpeed's zero_to_fp32 is measured the same way on the same files, writing safetensors.
`copy` is `cp` of the merged weights into a folder beside them, until all is on the disk, as the merge's own files are
when it ends; `whole copy` is that of the checkpoint, of which ZeRO-2's holds half as many bytes again, all of which a
merge reads. Merge and copies take turns, the fastest of each counts, and each begins with nothing left to write and
enough memory that was in use a moment ago: memory that a virtual machine has not used for some seconds can take it
several times as long, which is no matter of either.

Twice: what both read was written just before, and comes from memory where it fits; or is `cold`, pushed out of memory
beforehand, as after a restart. `first` is the first merge of a model on a machine, for which transformers is asked;
`start` is a merge of a model of no size.
"""

import argparse
import json
import math
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from blake3 import blake3

from mmupt import console
from mmupt.merging.weights import Safetensors, whole
from mmupt.problems.tiny import model_dir
from tests.bench import checkpoints, sharded
from tests.bench.machine import describe

MMUPT = [sys.executable, "-m", "mmupt", "merge"]
DEEPSPEED = [sys.executable, "-m", "deepspeed.utils.zero_to_fp32"]


KINDS = {**checkpoints.KINDS, **sharded.KINDS}
REPEATS = 5
_AT_HAND = 3_000_000_000
"""Bytes of memory."""


@dataclass(frozen=True)
class Measured:
    """One process from start to end."""

    seconds: float
    peak: float
    """Bytes."""
    private: float
    """Bytes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=2.0, help="GB of the weights in fp32")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--folder", type=Path, help="where to write; some five times the size is needed")
    options = parser.parse_args()
    rows, digests = [], {}
    with tempfile.TemporaryDirectory(dir=options.folder) as made_in:
        scratch = Path(made_in)
        os.environ["MMUPT_CACHE"] = str(scratch / "cache")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its modules compiled
        made = checkpoints.model(scratch / "model", options.size)
        _measured([*MMUPT, str(model_dir()), "--out", f"{scratch}/no-size"])
        idles = [_measured([*MMUPT, str(model_dir()), "--out", f"{scratch}/no-size-{at}"]) for at in range(REPEATS)]
        for kind in options.kinds:
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                row, digests[kind] = _row(kind, made, Path(folder))
            rows.append(row)
            console.pass_on(f"{kind}: {row[1:]}")
    console.table(describe(), _COLUMNS, rows)
    weights = [4 * math.prod(shape) for shape in made.shapes.values()]
    console.say(f"weights {_mb(sum(weights))} MB, the largest {_mb(max(weights))} MB")
    console.say(f"start: {_fastest(idles).seconds:.2f} s, {_mb(_fastest(idles).peak)} MB")
    if len({digest for kind, digest in digests.items() if kind != "LoRA"}) > 1:
        raise SystemExit("the kinds hold the same weights, and were not merged to the same ones")


_COLUMNS = [
    *["kind", "peak MB", "private MB", "s", "copy s", "x copy", "x whole copy"],
    *["cold s", "copy s", "x copy", "x whole copy", "first s", "peak MB"],
    *["zero_to_fp32 peak MB", "private MB", "s", "share of its peak", "of its private"],
]


def _row(kind: str, made: checkpoints.Model, scratch: Path) -> tuple[list[object], str]:
    source, out, merged = (scratch / name for name in ("checkpoint", "out", "merged"))
    command = [*MMUPT, *KINDS[kind](made, source), "--out", str(out), "--set", "dtype=float32"]
    shutil.rmtree(os.environ["MMUPT_CACHE"], ignore_errors=True)
    os.sync()
    first = _measured(command)
    out.rename(merged)
    row: list[object] = [kind]
    for cold in (False, True):
        merges, copies, whole_copies = [], [], []
        for _ in range(REPEATS):
            merges.append(_measured(command, scratch if cold else None))
            shutil.rmtree(out)
            copies.append(_copied([*merged.glob("*.safetensors")], out, cold))
            whole_copies.append(_copied([*scratch.glob("checkpoint*")], out, cold))
        ours, copied = _fastest(merges), min(copies)
        row += [] if cold else [_mb(ours.peak), _mb(ours.private)]
        row += [ours.seconds, copied, ours.seconds / copied, ours.seconds / min(whole_copies)]
    row += [first.seconds, _mb(first.peak)]
    if kind.startswith("ZeRO"):
        theirs = _measured([*DEEPSPEED, str(source), str(scratch / "theirs"), "--safe_serialization"])
        shares = [ours.peak / theirs.peak, ours.private / theirs.private]
        row += [_mb(theirs.peak), _mb(theirs.private), theirs.seconds, *shares]
    return row + ["-"] * (len(_COLUMNS) - len(row)), _digest(merged)


def _digest(folder: Path) -> str:
    """The same for the same weights in any order."""
    weights = Safetensors(sorted(folder.glob("*.safetensors")))
    hashes = {name: blake3(whole(weights, name).tobytes()).hexdigest() for name in weights.shapes}
    return json.dumps(hashes, sort_keys=True)


def _measured(command: Sequence[str], cold: Path | None = None) -> Measured:
    _prepare(cold)
    began, peak, private = time.monotonic(), 0, 0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        ended = os.pidfd_open(process.pid)
        while not select.select([ended], [], [], 0.02)[0]:
            counts = [_counts(pid) for pid in _family(process.pid)]
            peak = max(peak, sum(each.get("VmHWM", 0) for each in counts))
            private = max(private, sum(each.get("RssAnon", 0) for each in counts))
        seconds = time.monotonic() - began
        os.close(ended)
        if process.wait():
            said.seek(0)
            raise SystemExit(said.read().decode(errors="replace")[-3000:])
    return Measured(seconds, peak, private)


def _fastest(runs: Sequence[Measured]) -> Measured:
    return min(runs, key=lambda run: run.seconds)


def _family(pid: int) -> list[int]:
    """The process and those that it has started."""
    try:
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _words(task / "children")]
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in _family(child))]


def _words(file: Path) -> list[str]:
    return file.read_text().split()


def _counts(pid: int) -> dict[str, int]:
    """The process's memory in bytes; nothing once it is gone."""
    try:
        pairs = (line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return {}
    return {name: int(value.split()[0]) * 1024 for name, value in pairs if value.endswith(" kB")}


def _prepare(cold: Path | None) -> None:
    """Nothing is left to write, memory is at hand, and the files in `cold` are on the disk alone."""
    os.sync()
    for path in (path for path in cold.rglob("*") if path.is_file()) if cold is not None else ():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    np.ones(_AT_HAND, np.uint8)


def _copied(paths: Sequence[Path], to: Path, cold: bool) -> float:
    to.mkdir()
    _prepare(to.parent if cold else None)
    began = time.monotonic()
    subprocess.run(["cp", "-r", *paths, to], check=True)
    os.sync()  # at once: an fsync of each of many small files would take longer
    seconds = time.monotonic() - began
    shutil.rmtree(to)
    return seconds


def _mb(size: float) -> int:
    return round(size / 1e6)


if __name__ == "__main__":
    main()
