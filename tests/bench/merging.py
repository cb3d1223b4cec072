"""Memory and time of `mmupt merge` on synthetic checkpoints: `python -m tests.bench.merging [--size 2] [--kinds ...]`.

Every merge is a process of its own, measured from start to end. `peak` is the kernel's own high-water mark of resident
memory (VmHWM: private memory and every page of a mapped file that is resident; ru_maxrss would count the parent too),
`private` the largest RssAnon, which leaves pages of files out; both are read every 5 ms. DeepSpeed's zero_to_fp32 is
measured the same way on the same files, writing safetensors. `copy` is `cp` of the merged weights into a folder beside
them, and an fsync of each copy, as the merge's own files get it; what both read was written just before, so it comes
from memory where it fits. Merge and copy take turns, each begins with nothing left to write, and the fastest of each
counts. `start` is what the same command takes for a model of no size: Python, torch and transformers.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmupt import console
from mmupt.problems.tiny import model_dir
from tests.bench import checkpoints, sharded
from tests.bench.machine import describe

MMUPT = [sys.executable, "-m", "mmupt", "merge"]
DEEPSPEED = [sys.executable, "-m", "deepspeed.utils.zero_to_fp32"]


KINDS = {**checkpoints.KINDS, **sharded.KINDS}
REPEATS = 3


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
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        made = checkpoints.model(Path(scratch, "model"), options.size)
        idles = [_measured([*MMUPT, str(model_dir()), "--out", f"{scratch}/idle-{at}"]) for at in range(REPEATS)]
        idle = min(idles, key=lambda each: each.seconds)
        for kind in options.kinds:
            row, digests[kind] = _row(kind, made, Path(scratch))
            rows.append(row)
    console.table(describe(), _COLUMNS, rows)
    weights = [4 * math.prod(shape) for shape in made.shapes.values()]
    console.say(f"weights {_mb(sum(weights))} MB, the largest {_mb(max(weights))} MB")
    console.say(f"start: {idle.seconds:.1f} s, {_mb(idle.peak)} MB, private {_mb(idle.private)} MB")
    if len({digest for kind, digest in digests.items() if kind != "LoRA"}) > 1:
        raise SystemExit("the kinds hold the same weights, and were not merged to the same bytes")


_OURS = ["kind", "peak MB", "private MB", "s", "copy s", "x copy"]
_COLUMNS = [*_OURS, "zero_to_fp32 peak MB", "private MB", "s", "share of its peak", "of its private"]


def _row(kind: str, made: checkpoints.Model, scratch: Path) -> tuple[list[object], str]:
    source, out = scratch / "checkpoint", scratch / "out"
    arguments = KINDS[kind](made, source)
    merges, copies = [], []
    for _ in range(REPEATS):
        shutil.rmtree(out, ignore_errors=True)
        os.sync()
        merges.append(_measured([*MMUPT, *arguments, "--out", str(out), "--set", "dtype=float32"]))
        copies.append(_copied(out, scratch / "copy"))
    digest = json.dumps(json.loads((out / "mmupt_merge.json").read_text())["shards"])
    ours, copied = min(merges, key=lambda merge: merge.seconds), min(copies)
    row: list[object] = [kind, _mb(ours.peak), _mb(ours.private), ours.seconds, copied, ours.seconds / copied]
    shutil.rmtree(out)
    if kind.startswith("ZeRO"):
        os.sync()
        theirs = _measured([*DEEPSPEED, str(source), str(scratch / "theirs"), "--safe_serialization"])
        shares = [ours.peak / theirs.peak, ours.private / theirs.private]
        row += [_mb(theirs.peak), _mb(theirs.private), theirs.seconds, *shares]
    row += ["-"] * (len(_COLUMNS) - len(row))
    for folder in scratch.iterdir():
        if folder != made.folder:
            shutil.rmtree(folder)
    return row, digest


def _measured(command: Sequence[str]) -> Measured:
    began, peak, private = time.monotonic(), 0, 0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            counts = _counts(process.pid)
            peak, private = max(peak, counts.get("VmHWM", 0)), max(private, counts.get("RssAnon", 0))
            time.sleep(0.005)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode(errors="replace")[-3000:])
    return Measured(time.monotonic() - began, peak, private)


def _counts(pid: int) -> dict[str, int]:
    """The process's memory in bytes; nothing once it is gone."""
    try:
        pairs = (line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return {}
    return {name: int(value.split()[0]) * 1024 for name, value in pairs if value.endswith(" kB")}


def _copied(folder: Path, to: Path) -> float:
    to.mkdir()
    os.sync()
    began = time.monotonic()
    subprocess.run(["cp", *folder.glob("*.safetensors"), to], check=True)
    for file in to.iterdir():
        with file.open("rb") as copy:
            os.fsync(copy.fileno())
    seconds = time.monotonic() - began
    shutil.rmtree(to)
    return seconds


def _mb(size: float) -> int:
    return round(size / 1e6)


if __name__ == "__main__":
    main()
