"""Killed at named places, inside epoch 1 and epoch 2, while it samples, updates and saves, a run ends with the bytes of
one that was not killed: weights, optimiser state and logs; plain, LoRA, and two ranks with ZeRO-2 and ZeRO-3."""

import json
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmupt.problems.tiny import data_dir
from mmupt.stages.train import train
from tests.forked_ranks import on_ranks, survive_places
from tests.kills import fingerprint
from tests.places import Place
from tests.training_parts import settings

TWO_EPOCHS = (
    "epochs=2",
    "updates_per_step=2",
    "save.every=2",
    "freeze_vision=false",
    "update.kl_coefficient=0.02",
    "rollout.max_tokens=8",
)
"""Of twelve problems: three steps in each epoch, and checkpoints in the middle of both."""
FIRST, LAST = 0, 1
"""Ranks."""
IN_SAMPLING_AND_UPDATES = (
    Place("Written.draw", step=1, nth=4, rank=LAST),  # epoch 1, sampling, before there is any checkpoint
    Place("Updater.__call__", step=1, event="return"),  # epoch 1, between the two updates of a step
    Place("Written.draw", step=4, nth=6),  # epoch 2, sampling
    Place("Updater.__call__", step=4, nth=2, rank=LAST),  # epoch 2, in the second update
)
IN_SAVING = (
    Place("write_state", step=1),  # while the first checkpoint is written aside
    Place("JsonlLog.append", step=2, nth=2, event="return"),  # last step of epoch 1, its logs half written
    Place("publish", step=3, event="return"),  # between a checkpoint and the end of an older one
    Place("replace_folder", step=5),  # the last checkpoint is whole, and not yet in its place
    Place("RunDir.finish"),  # all is done but to say so
)


def in_order(*places: Place) -> list[Place]:
    return sorted(places, key=lambda place: 6 if place.step is None else place.step)


MODES = {
    "plain": (1, ("deepspeed=none",), in_order(*IN_SAMPLING_AND_UPDATES, *IN_SAVING)),
    "lora": (1, ("deepspeed=none", "lora.rank=4"), IN_SAMPLING_AND_UPDATES),
    "zero2": (2, ("deepspeed=zero2",), IN_SAMPLING_AND_UPDATES),
    "zero3": (2, ("deepspeed=zero3",), in_order(*IN_SAMPLING_AND_UPDATES, IN_SAVING[0], IN_SAVING[2])),
}


@pytest.mark.parametrize("mode", list(MODES))
def test_killed_in_each_part_of_two_epochs_it_ends_with_the_same_bytes(tmp_path: Path, mode: str) -> None:
    size, sets, places = MODES[mode]
    pd.read_parquet(data_dir() / "train.parquet").head(12).to_parquet(tmp_path / "data.parquet")
    run = settings(tmp_path / "run", f"data={tmp_path / 'data.parquet'}", *TWO_EPOCHS, *sets)
    assert on_ranks(size, lambda _: train(run))
    undisturbed = fingerprint(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "undisturbed")
    assert survive_places(size, lambda: train(run), tmp_path / "run", places) == undisturbed
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(row["groups_trained"] > 0 for row in rows)
    assert {"metrics.jsonl", "rollouts.jsonl", "guard.jsonl"} <= undisturbed.keys()
    assert any("optim" in name for name in undisturbed)


def test_a_tracker_gets_each_step_once(tmp_path: Path) -> None:
    run = settings(tmp_path / "run", "steps=5", "save.every=2", "tracker=tensorboard", "audit=true")
    places = [
        Place("TrainingLogs.append", step=1, nth=4),  # two steps are tracked, and no checkpoint holds them
        Place("publish", step=1, event="return"),  # two are, and a checkpoint holds them
        Place("Watch.collapsed", step=2),  # one more, which will be done again
    ]
    survive_places(1, lambda: train(run), tmp_path / "run", places)
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    for name, wanted in (("reward", [row["reward"] for row in rows]), ("vote_accuracy", None)):
        found = events.Scalars(name)
        assert [event.step for event in found] == [1, 2, 3, 4, 5]
        assert wanted is None or [event.value for event in found] == pytest.approx(wanted)
