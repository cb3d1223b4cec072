"""FSDP (EasyR1, verl) and torch.distributed.checkpoint -> model folders, from whole and broken files."""

import gzip
import os
import pickle
import shutil
from pathlib import Path
from typing import IO

import pytest
import torch
from transformers import AutoModelForImageTextToText

from mmupt.config.merge import MergeConfig
from mmupt.errors import UserError
from mmupt.merging.distributed import open_distributed
from mmupt.problems.tiny import model_dir
from mmupt.stages.merge import merge
from tests.merge_parts import made_by, refused, rewritten
from tests.troubles import with_room_for, without_roots_rights

KINDS = {
    "verl": "FSDP, 2 ranks, the newest step",
    "hsdp": "FSDP, 4 ranks",
    "dcp": "torch distributed checkpoint, 2 files",
    "trainer": "torch distributed checkpoint, 2 files",
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
    assert record["step"] == {"verl": 7}.get(name)
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


def test_copies_are_compared_in_every_bit(copied):
    checkpoint = copied("hsdp")

    def last_bit(content) -> None:
        local = content["lm_head.weight"].to_local()
        local.view(torch.int32)[-1, -1] ^= 1

    rewritten(checkpoint / "model_world_size_4_rank_3.pt", last_bit)
    refused(checkpoint, "model_world_size_4_rank_3.pt: its copy of lm_head.weight differs", "model_world_size_4_rank_1")


WHOLE = "model.visual.merger.ln_q.weight"


def test_a_weight_that_every_rank_has_whole_is_refused_where_the_ranks_differ(copied):
    checkpoint = copied("verl/global_step_7")

    def moved(content) -> None:
        assert type(content[WHOLE]) is torch.Tensor
        content[WHOLE][-1] = torch.nextafter(content[WHOLE][-1], torch.tensor(9.0))

    rewritten(checkpoint / RANK_1, moved)
    refused(checkpoint, RANK_1, f"its copy of {WHOLE} differs from that in model_world_size_2_rank_0.pt")


def test_shards_of_which_nothing_tells_its_place_are_refused(copied):
    checkpoint = copied("verl/global_step_7")

    def flattened(content) -> None:
        for name, value in content.items():
            content[name] = value.to_local() if hasattr(value, "to_local") else value

    for rank in (0, 1):
        rewritten(checkpoint / RANK_1.replace("rank_1", f"rank_{rank}"), flattened)
    refused(checkpoint, "holds no DTensor, so that nobody knows which part of the whole it is")


def test_a_shard_under_the_name_of_another_rank_is_refused(copied):
    checkpoint = copied("verl/global_step_7")
    shutil.copy(checkpoint / RANK_1.replace("rank_1", "rank_0"), checkpoint / RANK_1)
    refused(checkpoint, "model_world_size_2_rank_1.pt", "part of rank 0", "named for rank 1")


def with_rank_1_of_the_first_step(checkpoint: Path, made: Path, *kinds: str) -> None:
    for kind in kinds:
        name = RANK_1.replace("model_", f"{kind}_")
        shutil.copy2(made / "first" / "verl" / "global_step_6" / name, checkpoint / name)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("model", "optim", "extra_state"), "extra_state_world_size_2_rank_1.pt: its step is 6, that of the other"),
        (("model", "optim"), "optim_world_size_2_rank_1.pt: its optimiser step is 1.0, that of the other files 2.0"),
    ],
)
def test_a_shard_of_another_step_is_seen_by_what_lies_beside_it(kinds, words: str, copied, made: Path):
    checkpoint = copied("verl/global_step_7")
    with_rank_1_of_the_first_step(checkpoint, made, *kinds)
    refused(checkpoint, words)


@pytest.mark.parametrize(("name", "file"), [("verl/global_step_7", RANK_1), ("dcp", "__1_0.distcp")])
def test_a_shard_that_was_swapped_alone_is_told_by_its_age(name: str, file: str, copied, made: Path, capsys):
    checkpoint = copied(name)
    shutil.copy2(made / "first" / name.replace("7", "6") / file, checkpoint / file)
    merge(MergeConfig(checkpoint=checkpoint, out=checkpoint.parent / "quiet", base="tiny"))
    assert "written" not in capsys.readouterr().err
    hours = (checkpoint / file).stat().st_mtime - 2 * 3600
    os.utime(checkpoint / file, (hours, hours))
    merge(MergeConfig(checkpoint=checkpoint, out=checkpoint.parent / "out", base="tiny"))
    other = Path(file).name.replace("rank_1", "rank_0").replace("__1", "__0")
    assert f"{other}: written 120 minutes after {Path(file).name}; unless a copy" in capsys.readouterr().err


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


def emptied(checkpoint: Path) -> None:
    (checkpoint / RANK_1).write_bytes(b"")


def in_a_circle(checkpoint: Path) -> None:
    (checkpoint / RANK_1).unlink()
    (checkpoint / RANK_1).symlink_to(Path(RANK_1).name)


def under_each_others_names(checkpoint: Path) -> None:
    first, second = checkpoint / RANK_1.replace("rank_1", "rank_0"), checkpoint / RANK_1
    first.rename(checkpoint / "aside")
    second.rename(first)
    (checkpoint / "aside").rename(second)


def with_odd_keys(checkpoint: Path) -> None:
    rewritten(checkpoint / RANK_1, lambda content: content.update({None: 1, 3: 2}))


def with_an_odd_mesh(checkpoint: Path) -> None:
    def odd(content) -> None:
        vars(next(iter(content.values()))._spec.mesh)["_coordinate_on_dim"] = ["x"]

    rewritten(checkpoint / RANK_1, odd)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (emptied, f"{RANK_1}: cannot be read"),
        (in_a_circle, "the model shards of rank 1 are missing (1 of 2 files)"),
        (under_each_others_names, "holds the part of rank 1, though it is named for rank 0"),
        (with_odd_keys, "its files do not hold what they should"),
        (with_an_odd_mesh, "its files do not hold what they should"),
    ],
)
def test_spoilt_shards_are_refused(spoil, words: str, copied):
    checkpoint = copied("verl/global_step_7")
    spoil(checkpoint)
    refused(checkpoint, words)


def test_a_full_disk_and_a_closed_folder_are_one_line_each_and_leave_nothing(made: Path, tmp_path: Path):
    asked = ["merge", str(made / "hsdp"), "--base", "tiny", "--out"]
    assert "the disk is full" in with_room_for(2_000_000, [*asked, str(tmp_path / "out")], tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    done = without_roots_rights([*asked, str(closed / "out")])
    assert done.returncode == 2 and "cannot be written" in done.stderr.splitlines()[-1]
    assert list(closed.iterdir()) == [] and [path.name for path in tmp_path.iterdir()] == ["closed"]


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def poisoned_chunk(file: Path, target: Path) -> None:
    """Puts the attack where the first tensor of a `.distcp` file lies, which the metadata may well point to."""
    torch.save({"a": Attack(target)}, file.with_name("poison"))
    data = file.with_name("poison").read_bytes()
    file.with_name("poison").unlink()
    file.write_bytes(data)
    metadata = pickle.loads(file.with_name(".metadata").read_bytes())
    for place in metadata.storage_data.values():
        if place.relative_path == file.name:
            place.offset, place.length = 0, len(data)
    file.with_name(".metadata").write_bytes(pickle.dumps(metadata))


@pytest.mark.parametrize("file", [RANK_1, RANK_1.replace("model_", "optim_"), RANK_1.replace("model_", "extra_state_")])
def test_a_shard_that_runs_code_is_refused_and_does_not_run(file: str, copied):
    checkpoint = copied("verl/global_step_7")
    target = checkpoint / "pwned"
    torch.save({"a": Attack(target)}, checkpoint / file)
    refused(checkpoint, Path(file).name, "asks for posix.system")
    assert not target.exists()


@pytest.mark.parametrize("file", [".metadata", "__0_0.distcp", "__1_0.distcp"])
def test_a_distributed_checkpoint_that_runs_code_is_refused_and_does_not_run(file: str, copied):
    checkpoint = copied("dcp")
    target = checkpoint / "pwned"
    if file == ".metadata":
        (checkpoint / file).write_bytes(pickle.dumps(Attack(target)))
    else:
        poisoned_chunk(checkpoint / file, target)
    refused(checkpoint, file, "asks for posix.system")
    assert not target.exists()


def changed_metadata(checkpoint: Path, change) -> None:
    metadata = pickle.loads((checkpoint / ".metadata").read_bytes())
    change(metadata)
    (checkpoint / ".metadata").write_bytes(pickle.dumps(metadata))


def test_a_piece_of_another_type_or_shape_than_the_metadata_tells_is_refused(copied):
    checkpoint = copied("dcp")
    norm = "model.language_model.norm.weight"

    def to_whole_numbers(metadata) -> None:
        metadata.state_dict_metadata[norm].properties.dtype = torch.int64

    def to_another_piece(metadata) -> None:
        metadata.state_dict_metadata[norm].properties.dtype = torch.float32
        places = metadata.storage_data
        ours = [index for index in places if index.fqn == norm]
        other = next(index for index in places if index.fqn == "model.language_model.layers.0.mlp.up_proj.weight")
        places[ours[0]] = places[other]

    changed_metadata(checkpoint, to_whole_numbers)
    refused(checkpoint, f"holds {norm} as float32 of shape (64,), and .metadata says int64 of shape (64,)")
    changed_metadata(checkpoint, to_another_piece)
    refused(checkpoint, f"holds {norm} as float32 of shape", "and .metadata says float32 of shape (64,)")


def test_a_file_of_a_checkpoint_in_another_type_is_refused(copied):
    """Whole numbers of the same size once took the place of weights."""
    from torch.distributed import checkpoint as dcp

    folder = copied("dcp")
    state = {"a": torch.ones(8)}
    dcp.save(state, checkpoint_id=folder / "floats", no_dist=True)
    dcp.save({"a": torch.zeros(8, dtype=torch.int32)}, checkpoint_id=folder / "whole", no_dist=True)
    shutil.copy(folder / "whole" / "__0_0.distcp", folder / "floats")
    with pytest.raises(UserError, match=r"cannot be read|holds a as int32 of shape"):
        open_distributed(folder / "floats", ["a"])


def test_compressed_pieces_are_refused_by_name(tmp_path: Path):
    """torch writes through any extension that it is given, and notes it beside each piece."""
    from torch.distributed import checkpoint as dcp
    from torch.distributed.checkpoint._extension import StreamTransformExtension

    class Gzip(StreamTransformExtension):
        @staticmethod
        def from_descriptor(version: str) -> "Gzip":
            return Gzip()

        @staticmethod
        def registry_name() -> str:
            return "stream.gzip"

        def get_descriptor(self) -> str:
            return "stream.gzip/1"

        def transform_to(self, output: IO[bytes]) -> IO[bytes]:
            return gzip.GzipFile(fileobj=output, mode="wb")

        def transform_from(self, input: IO[bytes]) -> IO[bytes]:
            return gzip.GzipFile(fileobj=input, mode="rb")

    writer = dcp.FileSystemWriter(tmp_path / "pieces", _extensions=[Gzip()])
    dcp.save({"a": torch.ones(8)}, storage_writer=writer, no_dist=True)
    with pytest.raises(UserError, match="a is compressed, which merge does not read"):
        open_distributed(tmp_path / "pieces", ["a"])
