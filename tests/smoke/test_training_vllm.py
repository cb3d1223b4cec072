"""`mmupt train` with the vLLM beside the trainer: one engine for all steps, the weights of each, and nothing left."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from mmupt.stages.train import train
from tests.forked_ranks import on_ranks
from tests.kills import fingerprint, start
from tests.training_parts import QUICK, guesser, settings

SETS = ("steps=4", "save.every=1", "rollout.engine=vllm", "rollout.top_p=0.9", "rollout.temperature=0.8", "limit=16")
SETS += ("update.kl_coefficient=0.05", "update.learning_rate=1e-3")
PATIENCE = 150.0


def command(out: Path) -> list[str]:
    """The same run by the command line."""
    flat = [
        f"{name}.{key}={json.dumps(inner)}" if key else f"{name}={json.dumps(inner)}"
        for name, value in QUICK.items()
        for key, inner in (value.items() if isinstance(value, dict) else [("", value)])
    ]
    words = [word for each in (*flat, *SETS) for word in ("--set", each)]
    return [sys.executable, "-m", "mmupt", "train", "--model", str(guesser()), "--out", str(out), *words]


def engines(trainer: psutil.Process) -> set[psutil.Process]:
    """The processes below a trainer that have vLLM's code in them, now."""
    return {child for child in _below(trainer) if "vllm/_C" in _maps(child)}


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _maps(process: psutil.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:  # it has ended by now
        return ""


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def killed_after_a_step(out: Path) -> set[psutil.Process]:
    """Start the run, and kill the trainer alone after its first checkpoint; the engines that it had."""
    trainer = start(command(out))
    until = time.monotonic() + PATIENCE
    while not (out / "checkpoints/step-1").exists() and time.monotonic() < until:
        time.sleep(0.01)
    had = engines(psutil.Process(trainer.pid))
    os.kill(trainer.pid, signal.SIGKILL)
    while not all(is_gone(engine) for engine in had) and time.monotonic() < until:
        time.sleep(0.05)
    trainer.communicate()
    return had


def test_one_engine_samples_all_steps_and_a_killed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    out, seen = tmp_path / "run", set[psutil.Process]()
    whole = start(command(out))
    while whole.poll() is None:
        seen |= engines(psutil.Process(whole.pid))
        time.sleep(0.05)
    assert whole.returncode == 0, whole.communicate()[0].decode()[-3000:]
    assert len(seen) == 1
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    # The trainer has gone far from the weights that the engine was started with, and the engine with it.
    assert [row["kl"] > 0.01 for row in metrics] == [False, True, True, True]
    assert max(row["sampler_gap"] for row in metrics) < 1e-4
    undisturbed = fingerprint(out)
    out.rename(tmp_path / "first")
    had = killed_after_a_step(out)
    assert len(had) == 1 and all(is_gone(engine) for engine in had)
    assert not (out / "done.json").exists()
    assert on_ranks(1, lambda _: train(settings(out, *SETS)))
    assert fingerprint(out) == undisturbed
    assert {"metrics.jsonl", "rollouts.jsonl", "checkpoints/step-4/model.safetensors"} <= undisturbed.keys()
