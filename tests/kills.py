"""Kill a command again and again, then compare what it leaves with what an undisturbed run leaves.

`survive` is used by the tests; `python -m tests.kills --kills 100` (or `make kills`) spreads a hundred kills over all
stages of the embedded model, training in four modes among them. A kill is SIGKILL to the whole process group, at a
moment drawn evenly over the length of a run; ranks, which are in a group of their own, go with the one that started
them.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TIMED = {"attempts.jsonl", "timings.jsonl", "environment.json", ".lock"}
"""Files that tell times, processes and machines: they may differ between runs."""
LAST_RUN = 20
"""A command that is started this many times more than it is killed will never end."""


def fingerprint(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file that must not depend on kills."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file.name not in TIMED)
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, **quiet)


def finish(command: Sequence[str]) -> float:
    """Run to the end; the seconds it took. A failure shows what the command said."""
    began = time.monotonic()
    process = start(command)
    said, _ = process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-4000:]
    return time.monotonic() - began


def kill_after(command: Sequence[str], seconds: float) -> bool:
    """Start the command and kill its process group; False when it had ended by itself before."""
    process = start(command)
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True


def survive(command: Sequence[str], folder: Path, kills: int, seed: int) -> tuple[int, dict[str, str], dict[str, str]]:
    """Run undisturbed, then with `kills` kills; returns the kills that hit, and both fingerprints.

    The same path is used for both runs, because a path is part of a config. When a disturbed run gets to its end before
    all kills are spent, it starts over in an empty folder.
    """
    rng = random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    length = finish(command)
    undisturbed = fingerprint(folder)
    shutil.rmtree(folder)
    hits = 0
    for _ in range(3 * kills + LAST_RUN):
        if hits == kills:
            break
        if kill_after(command, rng.uniform(0.05, 1.0) * length):
            hits += 1
        elif hits < kills:
            assert not (differ := differing(undisturbed, fingerprint(folder))), f"these files differ: {differ}"
            shutil.rmtree(folder)
    finish(command)
    return hits, undisturbed, fingerprint(folder)


def differing(undisturbed: dict[str, str], disturbed: dict[str, str]) -> list[str]:
    """Names of the files that are not the same in both."""
    return sorted(name for name in undisturbed | disturbed if undisturbed.get(name) != disturbed.get(name))


def stages(folder: Path) -> dict[str, list[str]]:
    """One small command for each stage; they run in this order, each on what the one before left."""
    mmupt = [sys.executable, "-m", "mmupt"]
    train = ["train", "--data", "tiny:train", "--set", "steps=6", "--set", "problems_per_step=4"]
    train += ["--set", "group_size=4", "--set", "updates_per_step=1", "--set", "rollout.max_tokens=24"]
    train += ["--set", "save.every=2", "--set", "limit=40", "--set", "update.learning_rate=1e-4"]
    lora = ["--deepspeed", "none", "--set", "lora.rank=4", "--on-collapse", "ignore"]
    two = ["--set", "ranks=2", "--set", "device=cpu"]
    synthesize = ["--mode", "in-context", "--data", "tiny:train", "--set", "limit=24", "--set", "chunk_size=8"]
    scored = ["--bench", "tiny", "--limit", "48", "--samples", "2", "--set", "chunk_size=8"]
    short = ["--set", "rollout.max_tokens=40"]
    return {
        "synthesize": [*mmupt, "synthesize", *synthesize, *short, "--out", f"{folder}/synthesize"],
        "train": [*mmupt, *train, "--deepspeed", "none", "--out", f"{folder}/train"],
        "train-lora": [*mmupt, *train, *lora, "--out", f"{folder}/train-lora"],
        "train-zero2": [*mmupt, *train, "--deepspeed", "zero2", *two, "--out", f"{folder}/train-zero2"],
        "train-zero3": [*mmupt, *train, "--deepspeed", "zero3", *two, "--out", f"{folder}/train-zero3"],
        "merge": [*mmupt, "merge", f"{folder}/train", "--out", f"{folder}/merge"],
        "eval": [*mmupt, "eval", *scored, *short, "--model", f"{folder}/merge", "--out", f"{folder}/eval"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="kills in all, spread over the stages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one stage, by its name here; merge and eval need what the others leave")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        commands = {k: v for k, v in stages(Path(base)).items() if options.only in (None, k)}
        for number, (name, command) in enumerate(commands.items()):
            share = options.kills // len(commands) + (number < options.kills % len(commands))
            hits, undisturbed, disturbed = survive(command, Path(base) / name, share, options.seed + number)
            differ = differing(undisturbed, disturbed)
            print(
                f"{name}: {hits} kills, {len(undisturbed)} files, {'byte-equal' if not differ else f'DIFFER: {differ}'}"
            )
            if differ:
                sys.exit(1)


if __name__ == "__main__":
    main()
