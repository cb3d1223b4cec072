"""Broken models, a full disk, a changed setting and Ctrl-C where torch is loaded, through the real command line."""

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from mmupt.problems.tiny import model_dir
from tests.bad_pictures import BAD, write_pictures, write_rows
from tests.house.command import mmupt
from tests.kills import fingerprint
from tests.troubles import STOPPED, interrupted, with_room_for

TRAIN = ("train", "--deepspeed", "none", "--data", "data.jsonl", "--out", "run", "--set", "steps=2")
TRAIN += ("--set", "problems_per_step=4", "--set", "group_size=2", "--set", "updates_per_step=1")
TRAIN += ("--set", "rollout.max_tokens=8", "--set", "save.every=1")


def test_a_broken_model_is_one_line_and_leaves_nothing(tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(model_dir(), model)
    weights = load_file(model_dir() / "model.safetensors")
    lost = next(name for name in weights if "layers.0.input_layernorm" in name)
    said = {
        b"": "model/model.safetensors: holds no weights that can be read",
        (model / "model.safetensors").read_bytes()[:100_000]: "model model: cannot be loaded (",
        None: "model model: 1 of its weights are missing, such as ",
    }
    for content, expected in said.items():
        if content is None:
            save_file({name: value for name, value in weights.items() if name != lost}, model / "model.safetensors")
        else:
            (model / "model.safetensors").write_bytes(content)
        sampled = ("--set", "rollout.engine=transformers", "--limit", "2")
        done = mmupt("eval", "--model", "model", *sampled, "--out", "run", cwd=tmp_path)
        assert done.returncode == 2 and done.stdout == "", done.stderr
        assert done.stderr.startswith(f"error: {expected}") and done.stderr.count("\n") == 1, done.stderr
        assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_training_outlives_bad_pictures_a_full_disk_and_ctrl_c(tmp_path: Path):
    names = sorted(file.name for file in write_pictures(tmp_path / "pictures").iterdir())
    rows = [{"id": name, "question": "How many?", "images": [f"pictures/{name}"], "answer": "1"} for name in names]
    write_rows(tmp_path / "data.jsonl", rows)
    done = mmupt(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 problems cannot be used" in done.stderr and all(name in done.stderr for name in BAD)
    assert "Loading" not in done.stderr and "accelerator" not in done.stderr  # only the console prints
    undisturbed = fingerprint(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")

    assert "the disk is full; free some space" in with_room_for(2_000_000, TRAIN, tmp_path)
    assert list((tmp_path / "run/checkpoints").iterdir()) == []
    code, said = interrupted(TRAIN, tmp_path, Path("run/checkpoints/step-1"))
    assert (code, said[-1]) == (130, STOPPED) and not any("Traceback" in line for line in said)
    changed = mmupt(*TRAIN, "--set", "update.learning_rate=1e-3", cwd=tmp_path)
    assert changed.returncode == 2
    assert "the settings of this run have changed (update.learning_rate: 1e-06 -> 0.001)" in changed.stderr
    assert mmupt(*TRAIN, cwd=tmp_path).returncode == 0
    assert fingerprint(tmp_path / "run") == undisturbed
