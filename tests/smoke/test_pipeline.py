"""A whole pipeline with real child processes: it ends in a report, skips what is done, survives kills and Ctrl-C."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kills import fingerprint, finish, kill_after, start

SCRIPTED = 'rollout = { engine = "scripted", max_tokens = 32 }'
SYNTHESIZE = 'use = "synthesize"\nmodel = "rule"\nfilter.low = 0.0\n'
WRITE = f"[stages.write]\n{SYNTHESIZE}count = 24\nchunk_size = 8\n{SCRIPTED}\n"
BASE = f'[stages.base]\nuse = "eval"\nmodel = "rule"\nlimit = 40\nsamples = 4\nchunk_size = 10\n{SCRIPTED}\n'
AGAIN = f'[stages.again]\n{SYNTHESIZE}data = "${{write}}"\n{SCRIPTED}\n'
LEARN = (
    '[stages.learn]\nuse = "train"\nlabel = "votes"\ndata = "${write}"\ndeepspeed = "none"\nsteps = 1\ngroup_size = 4\n'
    f"problems_per_step = 4\nupdates_per_step = 1\n{SCRIPTED}\n"
    '[stages.model]\nuse = "merge"\ncheckpoint = "${learn}"\n'
    f'[stages.scored]\nuse = "eval"\nlabel = "trained"\nmodel = "${{model}}"\nlimit = 40\nsamples = 4\n{SCRIPTED}\n'
)


def pipeline(folder: Path, *stages: str) -> list[str]:
    recipe = folder / "p.toml"
    recipe.write_text(f'name = "p"\njobs = 2\nthreads = 1\nout = "{folder / "out"}"\n' + "".join(stages))
    return [sys.executable, "-m", "mmupt", "run", str(recipe)]


def bytes_of(out: Path) -> dict[str, bytes | str]:
    """All that must not depend on kills. The commit, which a report shows, may move while a test runs."""
    commit = re.compile(rb"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])\+?")
    return {**fingerprint(out), **{file.name: commit.sub(b"", file.read_bytes()) for file in out.glob("report.*")}}


def output(command: list[str]) -> tuple[int, str]:
    process = start(command)
    said, _ = process.communicate()
    return process.returncode, said.decode()


def test_a_pipeline_ends_with_a_model_scores_and_a_report_and_skips_what_is_done(tmp_path: Path):
    command, out = pipeline(tmp_path, WRITE, BASE, LEARN), tmp_path / "out"
    code, said = output(command)
    assert code == 0, said
    assert (out / "model" / "model.safetensors").is_file()
    told = json.loads((out / "report.json").read_text())
    scores = next(block for block in told["blocks"] if block.get("caption") == "Scores with 95 % intervals")
    assert [row[0] for row in scores["rows"]] == ["base", "trained"]
    assert scores["rows"][0][-1] == "" and scores["rows"][1][-1].startswith(("+", "-"))
    assert (out / "recipes" / "learn.toml").read_text().count(str(out / "write")) == 1
    before = bytes_of(out)
    code, said = output(command)
    assert code == 0 and said.count("done before, skipped") == 5, said
    assert bytes_of(out) == before


def test_a_killed_pipeline_ends_with_the_bytes_of_an_undisturbed_one(tmp_path: Path):
    command, out = pipeline(tmp_path, WRITE, BASE, AGAIN), tmp_path / "out"
    length = finish(command)
    undisturbed = bytes_of(out)
    assert "report.html" in undisturbed
    subprocess.run(["rm", "-r", str(out)], check=True)
    rng = random.Random(3)
    hits = sum(kill_after(command, rng.uniform(0.2, 0.7) * length) for _ in range(4))
    finish(command)
    assert hits >= 1
    assert bytes_of(out) == undisturbed


def ends_within(group: int, seconds: float) -> bool:
    """Whether no process of the group is left; one that lost its parent needs a moment to notice."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False).stdout:
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_the_pipeline_and_its_stages_with_130(tmp_path: Path):
    command, out = pipeline(tmp_path, WRITE, BASE, AGAIN), tmp_path / "out"
    process = start(command)
    until = time.monotonic() + 60
    while not (out / "write" / ".lock").exists() and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)  # to the parent alone: it has to stop its children itself
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    assert ends_within(process.pid, seconds=15)
    finish(command)
    assert (out / "report.html").is_file()


def test_a_stage_that_refuses_its_data_ends_the_pipeline_with_its_own_line(tmp_path: Path):
    missing = f'[stages.other]\nuse = "synthesize"\nmodel = "rule"\ndata = "nowhere.jsonl"\n{SCRIPTED}\n'
    code, said = output(pipeline(tmp_path, missing))
    assert code == 2
    errors = [line for line in said.splitlines() if "error:" in line]
    assert len(errors) == 1 and "stage other" in errors[0] and "nowhere.jsonl" in errors[0], said


@pytest.mark.parametrize("change", ["stages.base.limt=3", "stages.base.use='evall'"])
def test_a_wrong_setting_stops_everything_before_it_starts(change: str, tmp_path: Path):
    code, said = output([*pipeline(tmp_path, WRITE, BASE), "--set", change])
    assert code == 2 and len(said.strip().splitlines()) == 1, said
    assert not (tmp_path / "out").exists()
