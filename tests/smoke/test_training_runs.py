"""Whole runs of the training stage in one process: it learns, it is blind to labels, and it survives."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from mmupt.errors import UserError
from mmupt.problems.tiny import data_dir
from mmupt.stages.train import train
from tests.forked_ranks import survive
from tests.kills import fingerprint
from tests.training_parts import guesser, settings

FULL = ("steps=4",)
ADAPTERS = ("steps=4", "lora.rank=4", "update.kl_coefficient=0.05", "updates_per_step=2")


def rows(folder: Path, name: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = sorted((folder / "checkpoints").glob("step-*/model.safetensors"))[-1:]
    return load_file(file)


def test_votes_alone_make_a_guesser_agree_with_itself(tmp_path: Path) -> None:
    result = train(settings(tmp_path / "run", "steps=15", "save.every=100"))
    metrics = rows(tmp_path / "run", "metrics.jsonl")
    first, last = metrics[:3], metrics[-3:]
    assert sum(row["reward"] for row in last) > sum(row["reward"] for row in first) + 1.0
    assert sum(row["vote_share"] for row in last) > sum(row["vote_share"] for row in first) + 0.8
    assert max(row["sampler_gap"] or 0 for row in metrics) < 1e-4
    assert metrics[-1]["groups_skipped"] > 0
    assert result["checkpoint"] == "checkpoints/step-15"
    assert all(row["groups_trained"] + row["groups_skipped"] == 4 for row in metrics)


def test_the_vision_tower_stays_frozen_and_the_rest_moves(tmp_path: Path) -> None:
    train(settings(tmp_path / "run", "steps=1"))
    before, after = load_file(guesser() / "model.safetensors"), weights(tmp_path / "run")
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any(name.startswith("visual.") for name in moved)


def test_the_checkpoint_is_a_model_folder(tmp_path: Path) -> None:
    train(settings(tmp_path / "run", "steps=1"))
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "run/checkpoints/step-1")
    assert torch.equal(model.model.language_model.norm.weight, weights(tmp_path / "run")["model.norm.weight"])


@pytest.mark.parametrize("garble", ["deleted", "shuffled", "garbled"])
def test_training_is_blind_to_labels(tmp_path: Path, garble: str) -> None:
    table = pd.read_parquet(data_dir() / "train.parquet").head(12)
    table.to_parquet(tmp_path / "data.parquet")
    run = settings(tmp_path / "run", "steps=2", f"data={tmp_path / 'data.parquet'}")
    train(run)
    wanted = fingerprint(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    if garble == "deleted":
        table = table.drop(columns=["answer", "answer_type"])
    elif garble == "shuffled":
        table["answer"] = table["answer"].sample(frac=1, random_state=1).to_numpy()
    else:
        table["answer"] = [f"\\boxed{{{number}}} \x00" for number in range(len(table))]
    table.to_parquet(tmp_path / "data.parquet")
    train(run)
    assert fingerprint(tmp_path / "run") == wanted
    assert {"metrics.jsonl", "rollouts.jsonl", "checkpoints/step-2/model.safetensors"} <= wanted.keys()


def test_an_audit_changes_nothing_but_its_own_log(tmp_path: Path) -> None:
    quiet, audited = tmp_path / "quiet", tmp_path / "audited"
    train(settings(quiet, "steps=2"))
    train(settings(audited, "steps=2", "audit=true"))
    found = rows(audited, "audit.jsonl")
    assert [set(row) for row in found] == [{"step", "vote_accuracy", "sample_accuracy"}] * 2
    assert all(0 <= row["sample_accuracy"] <= 1 for row in found)
    same = (
        "metrics.jsonl",
        "rollouts.jsonl",
        "checkpoints/step-2/model.safetensors",
        "checkpoints/step-2/optimizer.pt",
    )
    assert [fingerprint(quiet)[name] for name in same] == [fingerprint(audited)[name] for name in same]


@pytest.mark.parametrize("sets", [FULL, ADAPTERS], ids=["full", "lora"])
def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path: Path, sets: tuple[str, ...]) -> None:
    run = settings(tmp_path / "run", *sets, "save.every=1", "limit=9")
    undisturbed, disturbed = survive(1, lambda: train(run), tmp_path / "run", kills=4)
    assert disturbed == undisturbed
    assert {"metrics.jsonl", "rollouts.jsonl", "checkpoints/step-4/optimizer.pt"} <= undisturbed.keys()


def test_a_resumed_run_takes_its_weights_from_the_checkpoint(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(settings(whole, "steps=3", "save.every=1", "save.total_limit=null"))
    shutil.copytree(whole, parts)
    for path in (
        parts / "done.json",
        parts / "checkpoints/step-2",
        parts / "checkpoints/step-3",
        parts / "config.json",
    ):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(guesser() / "model.safetensors", parts / "checkpoints/step-1/model.safetensors")
    (parts / "config.json").write_text((whole / "config.json").read_text().replace(str(whole), str(parts)))
    train(settings(parts, "steps=3", "save.every=1", "save.total_limit=null"))
    # With the base's weights in the checkpoint's place, the end is another one: they were read.
    assert rows(parts, "metrics.jsonl")[:1] == rows(whole, "metrics.jsonl")[:1]
    assert rows(parts, "metrics.jsonl")[1:] != rows(whole, "metrics.jsonl")[1:]


def test_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    calm = ("guard.common_answer_rise=null", "guard.vote_amplification=null", "guard.entropy_fall=null")
    train(settings(tmp_path / "run", "steps=5", "save.every=1", "save.total_limit=2", *calm))
    assert sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir()) == ["step-4", "step-5"]


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (("problems_per_step=48", "update.micro_batch_size=4"), "24 problems are fewer than one step needs"),
        (("ranks=3", "deepspeed=zero2"), "ranks = 3 does not divide"),
        (("ranks=2",), "plain torch trains in one process"),
        (("model=nowhere",), "no such model"),
        (("estimator=majorty",), "majority"),
        (("rollout.engine=vlm",), "vllm"),
        (("tracker=tensorbord",), "tensorboard"),
        (("rollout.temperature=0",), "rollout.temperature = 0"),
        (("data=nowhere.jsonl",), "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(tmp_path: Path, sets: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError, match=told) as refused:
        train(settings(tmp_path / "run", *sets))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_tensorboard_gets_the_numbers_of_each_step(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(settings(tmp_path / "run", "steps=2", "tracker=tensorboard"))
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    wanted = [row["reward"] for row in rows(tmp_path / "run", "metrics.jsonl")]
    assert [event.step for event in events.Scalars("reward")] == [1, 2]
    assert [event.value for event in events.Scalars("reward")] == pytest.approx(wanted)
