"""SIGKILL at random moments of each stage, then the same command: the files are those of an undisturbed run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kills import stages, survive

KILLS = {"synthesize": 3, "train": 4, "merge": 2, "eval": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed")


@pytest.mark.parametrize("stage", list(KILLS))
def test_a_killed_stage_ends_with_the_bytes_of_an_undisturbed_one(stage: str, folder: Path):
    hits, undisturbed, disturbed = survive(stages(folder)[stage], folder / stage, KILLS[stage], seed=7)
    assert hits == KILLS[stage]
    assert undisturbed == disturbed
    assert len(undisturbed) >= 3


def test_an_evaluation_that_was_killed_ten_times_has_every_response_once(tmp_path: Path):
    run = tmp_path / "run"
    scored = ["--bench", "tiny", "--limit", "64", "--engine", "transformers", "--set", "chunk_size=4"]
    greedy = ["--set", "rollout.temperature=0", "--set", "rollout.max_tokens=24"]
    command = [sys.executable, "-m", "mmupt", "eval", *scored, *greedy, "--out", str(run)]
    hits, undisturbed, disturbed = survive(command, run, 10, seed=11)
    assert hits == 10
    assert undisturbed == disturbed
    ids = [json.loads(line)["id"] for line in (run / "samples.jsonl").read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 64


def test_a_half_written_last_line_is_repaired(tmp_path: Path):
    run = tmp_path / "run"
    scored = ["--bench", "tiny", "--limit", "8", "--engine", "transformers", "--set", "chunk_size=4"]
    short = ["--set", "rollout.temperature=0", "--set", "rollout.max_tokens=8"]
    command = [sys.executable, "-m", "mmupt", "eval", *scored, *short, "--out", str(run)]
    subprocess.run(command, check=True, capture_output=True)
    whole = (run / "samples.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (run / "done.json").unlink()
    (run / "samples.jsonl").write_bytes(b"".join(lines[:6]) + lines[6][:17])
    subprocess.run(command, check=True, capture_output=True)
    assert (run / "samples.jsonl").read_bytes() == whole
