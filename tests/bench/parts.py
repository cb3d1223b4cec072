"""Benches that measure each part in a process of its own: the options that they have, and how a part is asked for."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def options(description: str) -> argparse.Namespace:
    """`device`, `out`, and `part`: None, or the JSON of what this process is to measure."""
    asked = argparse.ArgumentParser(description=description.partition("\n")[0])
    asked.add_argument("--device", default="cpu")
    asked.add_argument("--out", type=Path, default=Path("runs/bench"))
    asked.add_argument("--part", help="used by the bench itself: what one child process measures")
    return asked.parse_args()


def measured(bench: str, device: str, part: Sequence[object]) -> Mapping[str, float]:
    """What a child process of that bench prints last."""
    command = [sys.executable, "-m", f"tests.bench.{bench}", "--device", device, "--part", json.dumps(part)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))
