"""The GPUs that a training here would see, counted without loading torch."""

import os
from pathlib import Path

from mmupt.environment.doctor import is_cpu_torch
from mmupt.environment.trials import output

DRIVER = Path("/proc/driver/nvidia/gpus")
MIB = 2**20


def visible_gpus() -> int:
    """How many there are: none for a torch without CUDA, whatever the machine has."""
    if is_cpu_torch():
        return 0
    return visible(os.environ.get("CUDA_VISIBLE_DEVICES"), _installed())


def visible(chosen: str | None, installed: int) -> int:
    """How many of the installed GPUs CUDA shows where CUDA_VISIBLE_DEVICES is `chosen`: those before the first that
    there is not."""
    if chosen is None:
        return installed
    count = 0
    for name in map(str.strip, chosen.split(",")):
        if not name or (name.lstrip("-").isdigit() and not 0 <= int(name) < installed):
            break
        count += 1
    return count if installed else 0


def smallest_memory() -> int | None:
    """Bytes of the smallest GPU; None where there is none."""
    if is_cpu_torch():
        return None
    listed = output(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"], seconds=20)
    sizes = [int(line) * MIB for line in listed.splitlines() if line.strip().isdigit()]
    return min(sizes) if sizes else None


def _installed() -> int:
    if DRIVER.is_dir():
        return len(list(DRIVER.iterdir()))
    listed = output(["nvidia-smi", "-L"], seconds=20)
    return sum(line.startswith("GPU ") for line in listed.splitlines())
