"""The benches of `make bench`, one process after the other: `python -m tests.bench [--device cuda] [--out FOLDER]`.

Each writes a table of its own, headed by commit and machine, with the named peer measured in the same run. Longer ones
are run by name: `tests.bench.kept_engine`, `tests.bench.merging`, `tests.bench.evaluation`, `tests.bench.learning`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

PARTS = ("update", "memory", "logits", "vote", "rollout")
ON_CUDA = frozenset({"update", "memory", "logits", "rollout"})
"""Parts that have a device."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--device", default="cpu")
    asked.add_argument("--out", type=Path, default=Path("runs/bench"))
    chosen = asked.parse_args()
    for part in PARTS:
        device = ["--device", chosen.device] if part in ON_CUDA else []
        subprocess.run([sys.executable, "-m", f"tests.bench.{part}", "--out", str(chosen.out), *device], check=True)


if __name__ == "__main__":
    main()
