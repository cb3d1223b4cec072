"""FSDP (EasyR1, verl), torch.distributed.checkpoint and accelerate -> model folders, from whole and broken files."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from mmupt.config.merge import MergeConfig
from mmupt.problems.tiny import model_dir
from mmupt.stages.merge import merge
from tests.merge_parts import made_by, refused, rewritten

KINDS = {
    "verl": "FSDP, 2 ranks, the newest step",
    "hsdp": "FSDP, 4 ranks",
    "dcp": "torch distributed checkpoint, 2 files",
    "accelerate": "torch distributed checkpoint, 2 files, the newest step",
}
RANK_1 = "actor/model_world_size_2_rank_1.pt"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_by("sharded_checkpoints.py", tmp_path_factory.mktemp("sharded"))


@pytest.fixture
def copied(made: Path, tmp_path: Path):
    def copy(name: str) -> Path:
        return Path(shutil.copytree(made / name, tmp_path / "checkpoint"))

    return copy


@pytest.mark.parametrize("name", list(KINDS))
def test_merged_weights_are_the_trained_ones_bit_for_bit(
    name: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    base = None if name == "verl" else "tiny"  # verl keeps config and tokenizer beside the shards
    record = merge(MergeConfig(checkpoint=made / name, out=tmp_path / "out", base=base, dtype="float32"))
    assert capsys.readouterr().out.splitlines()[0].endswith(f": {KINDS[name]}")
    assert record["step"] == {"verl": 7, "accelerate": 3}.get(name)
    truth = torch.load(made / "truth.pt", weights_only=True)
    merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype="auto").state_dict()
    before = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32).state_dict()
    assert merged.keys() == truth.keys()
    assert [key for key in truth if not torch.equal(merged[key], truth[key])] == []
    assert any(not torch.equal(merged[key], before[key]) for key in truth)


def test_lora_of_verl_is_folded_as_peft_folds_it(made: Path, tmp_path: Path):
    record = merge(MergeConfig(checkpoint=made / "lora", out=tmp_path / "out", base="tiny", dtype="float32"))
    truth = torch.load(made / "lora-truth.pt", weights_only=True)
    merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype="auto").state_dict()
    assert record["step"] == 2 and merged.keys() == truth.keys()
    assert [key for key in truth if not torch.equal(merged[key], truth[key])] == []


def test_all_kinds_of_one_model_give_the_same_bytes(made: Path, tmp_path: Path):
    records = [
        merge(MergeConfig(checkpoint=made / name, out=tmp_path / name, base="tiny", dtype="float32")) for name in KINDS
    ]
    assert [record["shards"] for record in records[1:]] == [records[0]["shards"]] * 3


def test_a_missing_shard_is_named(copied):
    checkpoint = copied("verl/global_step_7")
    (checkpoint / RANK_1).unlink()
    refused(checkpoint, "rank 1", "missing", "(1 of 2 files)")


@pytest.mark.parametrize(("name", "file"), [("verl/global_step_7", RANK_1), ("dcp", "__1_0.distcp")])
def test_a_truncated_shard_is_named(name: str, file: str, copied):
    checkpoint = copied(name)
    data = (checkpoint / file).read_bytes()
    (checkpoint / file).write_bytes(data[: len(data) // 2])
    refused(checkpoint, Path(file).name, "truncated")


def test_a_missing_file_of_a_distributed_checkpoint_is_named(copied):
    checkpoint = copied("dcp")
    (checkpoint / "__1_0.distcp").unlink()
    refused(checkpoint, "__1_0.distcp is missing")


def test_files_of_another_world_size_are_refused(copied):
    checkpoint = copied("hsdp")
    for rank in (2, 3):
        (checkpoint / f"model_world_size_4_rank_{rank}.pt").unlink()
    for rank in (0, 1):
        name = checkpoint / f"model_world_size_4_rank_{rank}.pt"
        name.rename(checkpoint / f"model_world_size_2_rank_{rank}.pt")
    refused(checkpoint, "model_world_size_2_rank_0.pt", "written by 4 ranks, and there are 2 files")
    other = checkpoint / "model_world_size_2_rank_1.pt"
    other.rename(checkpoint / "model_world_size_4_rank_1.pt")
    refused(checkpoint, "several world sizes: 2 and 4")


def test_a_copy_of_another_step_is_refused(copied):
    checkpoint = copied("hsdp")

    def moved(content) -> None:
        content["lm_head.weight"].to_local()[0, 0] += 1e-3

    rewritten(checkpoint / "model_world_size_4_rank_1.pt", moved)
    refused(checkpoint, "model_world_size_4_rank_3.pt", "its copy of lm_head.weight differs")


def test_a_shard_under_the_name_of_another_rank_is_refused(copied):
    checkpoint = copied("verl/global_step_7")
    shutil.copy(checkpoint / RANK_1.replace("rank_1", "rank_0"), checkpoint / RANK_1)
    refused(checkpoint, "model_world_size_2_rank_1.pt", "part of rank 0", "named for rank 1")


def test_a_shard_of_another_step_is_seen_by_what_lies_beside_it(copied):
    checkpoint = copied("verl/global_step_7")
    file = checkpoint / RANK_1.replace("model_", "extra_state_")
    rewritten(file, lambda content: content["lr_scheduler"].update(last_epoch=8))
    refused(checkpoint, "its step is 8, that of the other files 7")


def test_a_shard_that_is_no_dtensor_is_refused(copied):
    checkpoint = copied("verl/global_step_7")
    file = checkpoint / RANK_1
    rewritten(file, lambda content: content.update({"lm_head.weight": torch.zeros(384, 128)}))
    refused(checkpoint, "lm_head.weight is a DTensor in one file and a plain tensor in another")


def test_missing_and_extra_keys_are_named(copied):
    checkpoint = copied("verl/global_step_7")
    norm = "model.language_model.norm.weight"
    rewritten(checkpoint / RANK_1, lambda content: content.pop(norm))
    refused(checkpoint, norm, "not in all of the files")
    rewritten(checkpoint / RANK_1.replace("rank_1", "rank_0"), lambda content: content.pop(norm))
    refused(checkpoint, "1 weights", "missing", norm)


def test_nan_is_refused_by_the_name_of_the_weight(copied):
    checkpoint = copied("verl/global_step_7")

    def poison(content) -> None:
        content["model.language_model.norm.weight"].to_local()[3] = float("nan")

    rewritten(checkpoint / RANK_1, poison)
    refused(checkpoint, "model.language_model.norm.weight holds NaN")


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(copied):
    import os

    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {target}",)

    for name, file in {"verl/global_step_7": RANK_1, "dcp": ".metadata"}.items():
        checkpoint = copied(name)
        target = checkpoint.parent / "pwned"
        if file == ".metadata":
            import pickle

            (checkpoint / file).write_bytes(pickle.dumps(Attack()))
        else:
            torch.save({"a": Attack()}, checkpoint / file)
        refused(checkpoint, "asks for posix.system")
        shutil.rmtree(checkpoint)
