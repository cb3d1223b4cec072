"""What accelerate itself saves -> model folders: FSDP in all its ways, DDP, DeepSpeed; and torch's own weight files."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from mmupt.config.merge import MergeConfig
from mmupt.errors import UserError
from mmupt.problems.tiny import model_dir
from mmupt.stages.merge import merge
from tests.merge_parts import made_by

LABELS = {
    "fsdp2-sharded": "torch distributed checkpoint, 2 files",
    "fsdp2-ranks": "FSDP, 2 ranks",
    "fsdp2-full": "FSDP, whole weights saved by accelerate",
    "fsdp1-sharded": "torch distributed checkpoint, 2 files",
    "ddp": "Hugging Face folder",
    "ddp-bin": "Hugging Face folder, in torch's format",
    "zero2": "DeepSpeed ZeRO-2, 2 ranks",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_by("accelerate_checkpoints.py", tmp_path_factory.mktemp("accelerate"))


def merged(checkpoint: Path, out: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    record = merge(MergeConfig(checkpoint=checkpoint, out=out, base="tiny", dtype="float32"))
    return record, AutoModelForImageTextToText.from_pretrained(out, dtype="auto").state_dict()


def refused(checkpoint: Path, *words: str) -> None:
    with pytest.raises(UserError) as told:
        merge(MergeConfig(checkpoint=checkpoint, out=checkpoint.parent / "out", base="tiny"))
    assert all(word in str(told.value) for word in words), str(told.value)
    assert "\n" not in str(told.value)
    assert not [path.name for path in checkpoint.parent.iterdir() if "out" in path.name]


@pytest.mark.parametrize("name", list(LABELS))
def test_merged_weights_are_the_trained_ones_bit_for_bit(name: str, made: Path, tmp_path: Path):
    record, weights = merged(made / name, tmp_path / "out")
    truth = torch.load(made / f"{name}-truth.pt", weights_only=True)
    before = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32).state_dict()
    assert record["label"] == LABELS[name] and weights.keys() == truth.keys()
    assert [key for key in truth if not torch.equal(weights[key], truth[key])] == []
    assert any(not torch.equal(weights[key], before[key]) for key in truth)


def test_the_newest_of_accelerates_numbered_checkpoints_is_taken(made: Path, tmp_path: Path):
    for number, name in {"0": "ddp", "12": "zero2"}.items():
        shutil.copytree(made / name, tmp_path / "project" / "checkpoints" / f"checkpoint_{number}")
    record, weights = merged(tmp_path / "project", tmp_path / "out")
    truth = torch.load(made / "zero2-truth.pt", weights_only=True)
    assert record["label"] == LABELS["zero2"]
    assert [key for key in truth if not torch.equal(weights[key], truth[key])] == []


def test_deepspeeds_folder_is_found_without_the_file_that_names_the_newest(made: Path, tmp_path: Path):
    checkpoint = Path(shutil.copytree(made / "zero2", tmp_path / "checkpoint"))
    (checkpoint / "latest").unlink()
    record, weights = merged(checkpoint, tmp_path / "out")
    truth = torch.load(made / "zero2-truth.pt", weights_only=True)
    assert record["label"] == LABELS["zero2"]
    assert [key for key in truth if not torch.equal(weights[key], truth[key])] == []
    shutil.copytree(checkpoint / "pytorch_model", checkpoint / "pytorch_model_1")
    shutil.rmtree(tmp_path / "out")
    refused(checkpoint, "several checkpoints of DeepSpeed (pytorch_model, pytorch_model_1)")


def test_a_missing_rank_of_accelerates_own_shards_is_refused(made: Path, tmp_path: Path):
    checkpoint = Path(shutil.copytree(made / "fsdp2-ranks", tmp_path / "checkpoint"))
    last = checkpoint / "pytorch_model_fsdp_0_rank1.bin"
    last.rename(checkpoint / "pytorch_model_fsdp_0_rank2.bin")
    refused(checkpoint, "model shards of rank 1 are missing (2 of 3 files)")
    (checkpoint / "pytorch_model_fsdp_0_rank2.bin").unlink()
    refused(checkpoint, "written by 2 ranks, and there is 1 file")


def test_a_rank_of_another_step_is_seen_by_the_optimiser_beside_the_model(made: Path, tmp_path: Path):
    checkpoint = Path(shutil.copytree(made / "fsdp2-sharded", tmp_path / "checkpoint"))
    for part in ("pytorch_model_fsdp_0", "optimizer_0"):
        shutil.copy2(made / "first" / part / "__1_0.distcp", checkpoint / part)
    refused(checkpoint, "optimizer_0/__", "its optimiser step is", "that of the other files", "different steps")


@pytest.fixture
def sharded(made: Path, tmp_path: Path) -> Path:
    """The weights of `ddp-bin` in two of torch's files with an index, the keys as DDP and torch.compile leave them."""
    folder = tmp_path / "sharded"
    folder.mkdir()
    truth = torch.load(made / "ddp-bin-truth.pt", weights_only=True)
    names = sorted(truth)
    halves = {"pytorch_model-00001-of-00002.bin": names[:50], "pytorch_model-00002-of-00002.bin": names[50:]}
    for file, half in halves.items():
        torch.save({f"module._orig_mod.{name}": truth[name].clone() for name in half}, folder / file)
    weight_map = {f"module._orig_mod.{name}": file for file, half in halves.items() for name in half}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def test_torch_files_with_an_index_are_merged_bit_for_bit(sharded: Path, made: Path, tmp_path: Path):
    _, weights = merged(sharded, tmp_path / "out")
    truth = torch.load(made / "ddp-bin-truth.pt", weights_only=True)
    assert [key for key in truth if not torch.equal(weights[key], truth[key])] == []


def test_a_file_that_the_index_names_and_nobody_has_is_told(sharded: Path):
    (sharded / "pytorch_model-00002-of-00002.bin").unlink()
    refused(sharded, "pytorch_model-00002-of-00002.bin is missing", "pytorch_model.bin.index.json names")


def test_an_index_that_says_otherwise_than_the_files_is_refused(sharded: Path):
    index = sharded / "pytorch_model.bin.index.json"
    told = json.loads(index.read_text())
    told["weight_map"]["module._orig_mod.lm_head.weight"] = "pytorch_model-00002-of-00002.bin"
    index.write_text(json.dumps(told))
    refused(sharded, "says that module._orig_mod.lm_head.weight is in pytorch_model-00002-of-00002.bin")
    index.write_text(json.dumps({"weight_map": {"lm_head.weight": "../elsewhere.bin"}}))
    refused(sharded, "names files outside of its folder")
    index.write_text("[1, 2]")
    refused(sharded, "is no index of weights")


def test_two_keys_of_one_weight_are_refused(sharded: Path):
    file = sharded / "pytorch_model-00001-of-00002.bin"
    (sharded / "pytorch_model.bin.index.json").unlink()
    content = torch.load(file, weights_only=True)
    content["module.lm_head.weight"] = content["module._orig_mod.lm_head.weight"] + 1
    torch.save(content, file)
    refused(sharded, "module.lm_head.weight", "lm_head.weight")
