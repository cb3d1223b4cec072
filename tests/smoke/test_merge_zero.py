"""DeepSpeed checkpoints of two real gloo ranks -> model folders, and the ways in which they may be broken."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from mmupt.config.merge import MergeConfig
from mmupt.stages.merge import merge
from tests.merge_parts import made_by, refused, rewritten

CASES = {
    **dict.fromkeys(("zero0", "zero1", "zero2", "zero3", "zero2-lora"), "float32"),
    **dict.fromkeys(("zero2-bf16", "zero3-bf16"), "auto"),
}
RANK_1 = {"zero2": "zero_pp_rank_1_mp_rank_00_optim_states.pt", "zero3": "zero_pp_rank_1_mp_rank_00_model_states.pt"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_by("zero_checkpoints.py", tmp_path_factory.mktemp("zero"))


@pytest.fixture
def copied(trained: Path, tmp_path: Path):
    def copy(name: str) -> Path:
        return Path(shutil.copytree(trained / name / "checkpoints" / "step-2", tmp_path / "step-2"))

    return copy


@pytest.mark.parametrize("name", list(CASES))
def test_merged_weights_are_the_trained_ones_bit_for_bit(name: str, trained: Path, tmp_path: Path):
    record = merge(MergeConfig(checkpoint=trained / name, out=tmp_path / "out", dtype=CASES[name]))
    truth = torch.load(trained / name / "truth.pt", weights_only=True)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype="auto")
    merged = model.state_dict()
    assert merged.keys() == truth.keys()
    assert [key for key in truth if not torch.equal(merged[key], truth[key])] == []
    assert str(model.dtype) == f"torch.{record['dtype']}"


def test_the_same_checkpoint_gives_the_same_bytes_whatever_the_shards(trained: Path, tmp_path: Path):
    one = merge(MergeConfig(checkpoint=trained / "zero3", out=tmp_path / "one", dtype="float32"))
    again = merge(MergeConfig(checkpoint=trained / "zero3", out=tmp_path / "again", dtype="float32"))
    many = merge(MergeConfig(checkpoint=trained / "zero3", out=tmp_path / "many", dtype="float32", shard_gb=0.002))
    assert one["shards"] == again["shards"] and len(many["shards"]) >= 3
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    assert len(index["weight_map"]) == one["tensors"]
    a = AutoModelForImageTextToText.from_pretrained(tmp_path / "one").state_dict()
    b = AutoModelForImageTextToText.from_pretrained(tmp_path / "many").state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", list(RANK_1))
def test_a_missing_shard_is_named_by_its_rank(name: str, copied):
    checkpoint = copied(name)
    (checkpoint / "deepspeed" / RANK_1[name]).unlink()
    refused(checkpoint, "rank 1", "missing", "(1 of 2 files)")


@pytest.mark.parametrize("name", list(RANK_1))
def test_a_truncated_shard_is_named(name: str, copied):
    checkpoint = copied(name)
    file = checkpoint / "deepspeed" / RANK_1[name]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refused(checkpoint, RANK_1[name], "truncated")


def test_a_world_size_that_the_files_do_not_have_is_refused(copied):
    checkpoint = copied("zero3")
    state = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps({**state, "world_size": 1}))
    refused(checkpoint, "beyond the world size of 1")


def test_files_of_another_world_size_are_refused_without_state_json(copied):
    checkpoint = copied("zero3")
    (checkpoint / "state.json").unlink()
    for file in (checkpoint / "deepspeed").glob("*_rank_1_*"):
        file.unlink()
    refused(checkpoint, "world size is 2, that of the other files 1")


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        (
            "zero3",
            "zero_pp_rank_1_mp_rank_00_optim_states.pt",
            "optimiser step is (1.0,), that of the other files (2.0,)",
        ),
        ("zero3", "zero_pp_rank_1_mp_rank_00_model_states.pt", "its step is 1, that of the other files 2"),
        ("zero2", "zero_pp_rank_0_mp_rank_00_optim_states.pt", "optimiser step is"),
        ("zero2", "mp_rank_00_model_states.pt", "is not the same in the model states and in the optimizer states"),
    ],
)
def test_a_file_of_another_step_is_refused(name: str, file: str, words: str, copied, trained: Path):
    checkpoint = copied(name)
    shutil.copy(trained / "first" / name / "deepspeed" / file, checkpoint / "deepspeed")
    refused(checkpoint, words, "files of different steps")


def test_zero1_is_told_from_zero2_by_the_files_alone(copied):
    for name in ("zero1", "zero2", "zero3"):
        checkpoint = copied(name)
        (checkpoint / "state.json").unlink()
        record = merge(MergeConfig(checkpoint=checkpoint, out=checkpoint.parent / "out", base="tiny"))
        assert record["label"] == f"DeepSpeed ZeRO-{name[-1]}, 2 ranks"
        shutil.rmtree(checkpoint.parent / "out")
        shutil.rmtree(checkpoint)


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("kind", ["model", "optim"])
@pytest.mark.parametrize("told", [True, False])
def test_a_file_that_runs_code_is_refused_and_does_not_run(kind: str, told: bool, copied):
    checkpoint = copied("zero3")
    file = checkpoint / "deepspeed" / f"zero_pp_rank_0_mp_rank_00_{kind}_states.pt"
    torch.save({"optimizer_state_dict": {"zero_stage": Attack(checkpoint / "pwned")}}, file)
    if not told:
        (checkpoint / "state.json").unlink()
    refused(checkpoint, file.name, "asks for posix.system")
    assert not (checkpoint / "pwned").exists()


def test_zero2_module_and_partitions_of_different_updates_are_refused(copied):
    checkpoint = copied("zero2")
    file = checkpoint / "deepspeed" / "zero_pp_rank_0_mp_rank_00_optim_states.pt"

    def moved(content) -> None:
        content["optimizer_state_dict"]["single_partition_of_fp32_groups"][0].detach()[5] += 1e-3

    rewritten(file, moved)
    refused(checkpoint, "not the same in the model states and in the optimizer states")


def test_nan_in_a_partition_is_refused_by_the_name_of_the_weight(copied):
    checkpoint = copied("zero3")
    file = checkpoint / "deepspeed" / "zero_pp_rank_1_mp_rank_00_optim_states.pt"

    def poisoned(content) -> None:
        content["optimizer_state_dict"]["fp32_flat_groups"][0].detach()[7] = float("nan")

    rewritten(file, poisoned)
    refused(checkpoint, "embed_tokens", "NaN")


def test_missing_and_extra_weights_are_named(copied):
    checkpoint = copied("zero3")

    def renamed(content) -> None:
        shapes = content["param_shapes"][0]
        items = list(shapes.items())
        shapes.clear()
        shapes.update((key.replace("layers.1.mlp.up_proj", "layers.1.mlp.up"), shape) for key, shape in items)

    rewritten(checkpoint / "deepspeed" / "zero_pp_rank_0_mp_rank_00_model_states.pt", renamed)
    refused(checkpoint, "1 weights", "missing", "layers.1.mlp.up_proj")


def test_the_newest_step_of_a_run_is_taken_and_said(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = tmp_path / "run"
    shutil.copytree(trained / "zero3", run)
    older = run / "checkpoints" / "step-1"
    shutil.copytree(run / "checkpoints" / "step-2", older)
    record = merge(MergeConfig(checkpoint=run))
    assert record["step"] == 2 and record["out"] == str(run / "merged" / "step-2")
    assert re.search(r"step-2: DeepSpeed ZeRO-3, 2 ranks, the newest step", capsys.readouterr().out)
    card = (run / "merged" / "step-2" / "README.md").read_text()
    assert "| Step | 2 |" in card and str(tmp_path) not in card


@pytest.fixture(scope="module")
def universal(trained: Path, tmp_path_factory: pytest.TempPathFactory):
    """DeepSpeed's own conversion of a checkpoint."""

    @cache
    def convert(name: str) -> Path:
        source = trained / name / "checkpoints" / "step-2" / "deepspeed"
        made = tmp_path_factory.mktemp(name) / "deepspeed_universal"
        command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"]
        folders = ["--input_folder", str(source), "--output_folder", str(made)]
        subprocess.run([*command, *folders, "--num_extract_workers", "1", "--num_merge_workers", "1"], check=True)
        return made

    return convert


@pytest.mark.parametrize("name", ["zero2", "zero3"])
def test_a_universal_checkpoint_holds_the_trained_weights_bit_for_bit(
    name: str, trained: Path, tmp_path: Path, universal
):
    record = merge(MergeConfig(checkpoint=universal(name), out=tmp_path / "out", base="tiny", dtype="float32"))
    truth = torch.load(trained / name / "truth.pt", weights_only=True)
    merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype="auto").state_dict()
    assert record["label"].startswith("DeepSpeed universal checkpoint")
    assert [key for key in truth if not torch.equal(merged[key], truth[key])] == []


NORM = "zero/model.language_model.norm.weight"


def test_a_universal_checkpoint_with_a_file_missing_or_of_another_step_is_refused(tmp_path: Path, universal):
    checkpoint = Path(shutil.copytree(universal("zero2"), tmp_path / "checkpoint"))
    rewritten(checkpoint / NORM / "step.pt", lambda content: content.sub_(1))
    refused(checkpoint, f"{NORM}/step.pt: its optimiser step is 1.0, that of the other files 2.0")
    (checkpoint / NORM / "fp32.pt").unlink()
    refused(checkpoint, f"{NORM}/fp32.pt is missing (61 of 62 weights)")
    other = Path(shutil.copytree(universal("zero3"), tmp_path / "other" / "checkpoint"))
    file = "zero_pp_rank_1_mp_rank_00_model_states.pt"
    rewritten(other / file, lambda content: content.update(global_steps=1))
    refused(other, f"{file}: its step is 1, that of the other files 2")


@pytest.mark.parametrize("file", [f"{NORM}/fp32.pt", f"{NORM}/step.pt", "mp_rank_00_model_states.pt"])
def test_a_universal_checkpoint_that_runs_code_is_refused_and_does_not_run(file: str, tmp_path: Path, universal):
    checkpoint = Path(shutil.copytree(universal("zero2"), tmp_path / "checkpoint"))
    torch.save({"param": Attack(checkpoint / "pwned")}, checkpoint / file)
    refused(checkpoint, file, "asks for posix.system")
    assert not (checkpoint / "pwned").exists()
