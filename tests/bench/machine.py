"""Where a number was measured: commit and machine, for the head of every benchmark's table."""

import os
import platform
import subprocess
from pathlib import Path

import torch


def describe(device: str = "cpu") -> str:
    """One line: commit (with a + where files differ from it), processor or GPU, cores, torch."""
    where = (
        torch.cuda.get_device_name() if device == "cuda" else f"{_processor()}, {len(os.sched_getaffinity(0))} cores"
    )
    return f"commit {_commit()}, {where}, torch {torch.__version__}"


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
