"""A run that its guard stops: how it ends, what it keeps, and how it goes on."""

import json
import shutil
from itertools import cycle
from pathlib import Path

import pytest

from mmupt.cli.exits import guarded
from mmupt.errors import CollapseError
from mmupt.stages.train import train
from mmupt.training.checkpoint import saved_steps
from tests.forked_ranks import on_ranks, survive, survive_places
from tests.kills import fingerprint
from tests.places import Place
from tests.training_parts import settings

RUN = ("steps=8", "save.every=1", "save.total_limit=2", "guard.window=2")
SOUNDS = ("guard.common_answer_rise=0.1",)
"""The guesser answers 1, 2 or 3, and its votes drive it to one of them within these steps."""


def rows(folder: Path, name: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def run(folder: Path, on_collapse: str, *sets: str) -> dict[str, object]:
    return dict(train(settings(folder, *RUN, *SOUNDS, f"guard.on_collapse={on_collapse}", *sets)))


def test_the_guard_stops_names_the_signal_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(CollapseError) as stopped:
        run(folder, "stop")
    told = json.loads((folder / "collapse.json").read_text())
    assert told["strains"][told["signal"]] >= 1
    assert len(rows(folder, "metrics.jsonl")) == told["step"] < 8
    assert not (folder / "done.json").exists()
    for word in (told["signal"], "--on-collapse ignore", "docs/guard.md"):
        assert word in str(stopped.value)
    before = fingerprint(folder)
    assert guarded(lambda: run(folder, "stop")) == 3
    assert fingerprint(folder) == before


def test_going_on_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    with pytest.raises(CollapseError):
        run(tmp_path / "stopped", "stop")
    result = run(tmp_path / "stopped", "ignore")
    assert result == run(tmp_path / "whole", "ignore")
    assert result["steps"] == 8 and result["collapse"]
    stopped, whole = fingerprint(tmp_path / "stopped"), fingerprint(tmp_path / "whole")
    assert {name for name in whole if stopped[name] != whole[name]} <= {"config.json"}


def test_rollback_ends_on_the_last_good_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = run(folder, "rollback", "guard.vote_amplification=null", "guard.entropy_fall=null")
    told = json.loads((folder / "collapse.json").read_text())
    assert result["checkpoint"] == told["last_good"]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == [str(told["last_good"]).rpartition("/")[2]]
    assert result["steps"] == int(str(told["last_good"]).rpartition("-")[2]) < told["step"]
    assert result["collapse"] == {"step": told["step"], "signal": told["signal"]}


def test_the_last_good_checkpoint_outlives_the_limit_and_kills(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    limits = ("guard.vote_amplification=null", "guard.entropy_fall=null", "save.total_limit=1")
    run(folder, "ignore", *limits)
    undisturbed = fingerprint(folder)
    good = int(json.loads((folder / "collapse.json").read_text())["last_good"].rpartition("-")[2])
    assert saved_steps(folder / "checkpoints") == [good, 8]
    shutil.rmtree(folder)
    later = range(good + 2, 7)  # from the step after it was called good on
    killed = [Place(at, step) for step, at in zip(later, cycle(["keep_newest", "discard"]), strict=False)]
    for place in (*killed, Place("discard", 7, event="return"), Place("RunDir.finish")):
        assert not on_ranks(1, lambda _: run(folder, "ignore", *limits), kill_at=place), place
        assert good in saved_steps(folder / "checkpoints"), place
    run(folder, "ignore", *limits)
    assert fingerprint(folder) == undisturbed


def test_killed_before_the_alarm_it_stops_at_the_same_step(tmp_path: Path) -> None:
    def stopped() -> None:
        assert guarded(lambda: run(tmp_path / "run", "stop")) == 3

    undisturbed, disturbed = survive(1, stopped, tmp_path / "run", kills=2)
    assert disturbed == undisturbed
    assert {"collapse.json", "guard.jsonl"} <= undisturbed.keys()


def test_a_calm_run_is_left_alone(tmp_path: Path) -> None:
    result = train(settings(tmp_path / "run", "steps=5", "update.learning_rate=1e-7", "guard.on_collapse=stop"))
    assert (result["steps"], result["collapse"]) == (5, None)


def test_killed_between_the_alarm_and_its_file_it_tells_the_same(tmp_path: Path) -> None:
    def stopped() -> None:
        assert guarded(lambda: run(tmp_path / "run", "stop")) == 3

    stopped()
    undisturbed = fingerprint(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    assert survive_places(1, stopped, tmp_path / "run", [Place("tell")]) == undisturbed
    assert "collapse.json" in undisturbed
