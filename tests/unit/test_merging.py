"""Recognising, reading safely, LoRA, and the folder that comes out, on checkpoints without DeepSpeed."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from mmupt.config.merge import MergeConfig
from mmupt.errors import UserError
from mmupt.merging import lora
from mmupt.merging.find import find
from mmupt.merging.numbers import TYPES
from mmupt.merging.recognise import recognise
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import load, metadata
from mmupt.merging.unpickle import Inert
from mmupt.merging.weights import Safetensors, same, whole
from mmupt.problems.tiny import model_dir
from mmupt.stages.merge import merge
from mmupt.training.checkpoint import LoraShape, State, write_state


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A plain checkpoint of all weights, in fp32, slightly moved."""
    folder = tmp_path / "run" / "checkpoints" / "step-3"
    model = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    with torch.no_grad():
        model.model.language_model.norm.weight.mul_(1.001)
    model.save_pretrained(folder)
    side_files(folder)
    write_state(folder, State("plain", 0, 1, 3, "tiny"))
    (tmp_path / "run" / "config.json").write_text('{"stage": "train", "config": {"steps": 3}}')
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A peft checkpoint, and the weights that peft itself merges it to."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path / "lora" / "checkpoints" / "step-5"
    torch.manual_seed(1)
    base = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=12, target_modules=["q_proj", "down_proj", "qkv"]))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    model.save_pretrained(folder)
    side_files(folder)
    write_state(folder, State("plain", 0, 1, 5, "tiny", LoraShape(4, 12, ("q_proj", "down_proj", "qkv"))))
    return folder, model.merge_and_unload().state_dict()


def side_files(folder: Path) -> None:
    for file in model_dir().iterdir():
        if file.suffix != ".safetensors" and file.name != "config.json":
            shutil.copy(file, folder / file.name)


def test_the_kind_is_read_off_the_file_names():
    ranks = [
        f"deepspeed/zero_pp_rank_{r}_mp_rank_00_{kind}_states.pt" for kind in ("model", "optim") for r in range(12)
    ]
    seen = recognise([*ranks, "config.json"], State("deepspeed", 3, 12, 1, "m"), "here")
    assert (seen.kind, seen.label) == ("deepspeed", "DeepSpeed ZeRO-3, 12 ranks")
    assert [int(name.split("_")[3]) for name in seen.model_files] == list(range(12))
    assert recognise(["mp_rank_00_model_states.pt"], None, "here").label == "DeepSpeed ZeRO-0"
    assert recognise(["adapter_config.json", "adapter_model.safetensors"], None, "here").kind == "adapter"
    assert recognise(["model-1.safetensors", "model-2.safetensors", "config.json"], None, "here").kind == "huggingface"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "it is empty"),
        (["notes.txt", "weights.bin"], "seen notes.txt, weights.bin"),
        (["adapter_config.json"], "no adapter_model.safetensors"),
        (["zero_pp_rank_0_mp_rank_01_optim_states.pt"], "model-parallel"),
        (["mp_rank_00_model_states.pt", "zero_pp_rank_1_mp_rank_00_optim_states.pt"], "rank 0"),
        (["zero_pp_rank_0_mp_rank_00_model_states.pt"], "optimizer states of rank 0"),
    ],
)
def test_an_unclear_folder_is_refused_with_what_was_seen(names: list[str], words: str):
    with pytest.raises(UserError, match=words):
        recognise(names, None, "here")


def test_weights_without_a_config_need_the_base(plain: Path, tmp_path: Path):
    (plain / "state.json").unlink()
    (plain / "config.json").unlink()
    with pytest.raises(UserError, match=r"holds no config.json; .*--base MODEL"):
        merge(MergeConfig(checkpoint=plain, out=tmp_path / "out"))
    assert merge(MergeConfig(checkpoint=plain, out=tmp_path / "out", base="tiny"))["label"] == "Hugging Face folder"


def test_a_plain_checkpoint_becomes_a_folder_that_transformers_loads(plain: Path, tmp_path: Path):
    record = merge(MergeConfig(checkpoint=plain, out=tmp_path / "out"))
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype="auto")
    truth = AutoModelForImageTextToText.from_pretrained(plain, dtype=torch.float32).state_dict()
    assert model.dtype == torch.float32 and record["dtype"] == "float32" and record["step"] == 3
    assert all(torch.equal(value, truth[key]) for key, value in model.state_dict().items())
    processor = AutoProcessor.from_pretrained(tmp_path / "out")
    assert processor.chat_template == AutoProcessor.from_pretrained(model_dir()).chat_template
    assert "Recipe digest | sha256" in (tmp_path / "out" / "README.md").read_text()


def test_a_cast_changes_the_dtype_everywhere_and_keeps_tied_weights_once(plain: Path, tmp_path: Path):
    merge(MergeConfig(checkpoint=plain, out=tmp_path / "out", dtype="bfloat16"))
    assert '"float32"' not in (tmp_path / "out" / "config.json").read_text()
    from safetensors import safe_open

    with safe_open(tmp_path / "out" / "model.safetensors", framework="pt") as file:
        names = list(file.keys())
        assert "lm_head.weight" not in names and "model.embed_tokens.weight" in names
        assert {file.get_tensor(name).dtype for name in names} == {torch.bfloat16}


def test_lora_is_folded_exactly_as_peft_folds_it(adapter, tmp_path: Path):
    folder, truth = adapter
    merge(MergeConfig(checkpoint=folder, out=tmp_path / "out", dtype="float32"))
    merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype="auto").state_dict()
    assert [key for key in truth if not torch.equal(merged[key], truth[key])] == []


def test_an_adapter_that_is_not_plain_lora_is_refused(adapter, tmp_path: Path):
    folder, _ = adapter
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**settings, "use_dora": True}))
    with pytest.raises(UserError, match="uses use_dora"):
        merge(MergeConfig(checkpoint=folder, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_shape_is_refused(adapter, tmp_path: Path):
    folder, _ = adapter
    factors = load_file(folder / "adapter_model.safetensors")
    key = next(key for key in factors if key.endswith("layers.1.mlp.down_proj.lora_B.weight"))
    save_file({**factors, key: factors[key][:-1].clone()}, folder / "adapter_model.safetensors")
    with pytest.raises(
        UserError, match=r"change of model\..*layers\.1\.mlp\.down_proj\.weight is of shape \(127, 384\)"
    ):
        merge(MergeConfig(checkpoint=folder, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_two_changed_weights_that_should_be_one_are_compared_as_they_are(tmp_path: Path):
    save_file({name: torch.zeros(4, 4) for name in "ab"}, tmp_path / "base.safetensors")
    factors = {f"{name}.lora_{side}.weight": torch.ones(4, 4) for name in "ab" for side in "AB"}
    save_file({**factors, "b.lora_A.weight": torch.full((4, 4), 7.0)}, tmp_path / "adapter.safetensors")
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 4}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    names = {f"{name}.weight": name for name in "ab"}
    changed = lora.Folded(
        Safetensors([tmp_path / "base.safetensors"]),
        lora.adapter(Safetensors([tmp_path / "adapter.safetensors"]), tmp_path / "adapter_config.json", names),
    )
    assert not same(changed, "a", "b") and same(changed, "a", "a")
    assert whole(changed, "b").tolist() == [[28.0] * 4] * 4


def test_the_sums_of_a_large_matrix_are_made_in_pieces_with_the_same_bits(tmp_path: Path):
    draws = torch.Generator().manual_seed(0)
    weight, low, high = (torch.randn(shape, generator=draws) for shape in ((1700, 1441), (24, 1441), (1700, 24)))
    save_file({"w": weight}, tmp_path / "base.safetensors")
    save_file({"w.lora_A.weight": low, "w.lora_B.weight": high}, tmp_path / "adapter.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 24, "lora_alpha": 17}))
    adapter = lora.adapter(
        Safetensors([tmp_path / "adapter.safetensors"]), tmp_path / "adapter_config.json", {"w.weight": "w"}
    )
    changed = lora.Folded(Safetensors([tmp_path / "base.safetensors"]), adapter)
    assert len(list(changed.parts("w"))) > 2
    assert torch.equal(torch.from_numpy(whole(changed, "w")), weight + high @ low * (17 / 24))


@pytest.mark.parametrize(("rank", "told"), [(0, "tells a rank of 0"), (-2, "tells a rank of -2")])
def test_an_adapter_without_a_rank_is_refused(rank: int, told: str, adapter, tmp_path: Path):
    folder, _ = adapter
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**settings, "r": rank}))
    with pytest.raises(UserError, match=told):
        merge(MergeConfig(checkpoint=folder, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [1 << 20, 1 << 25], ids=["copied", "mapped"])
def test_a_file_that_ends_too_early_by_now_is_told(size: int, tmp_path: Path):
    file = tmp_path / "weights"
    file.write_bytes(bytes(size))
    there = Stored(file, 0, TYPES["uint8"], (size,), (1,))
    assert there.read().sum() == 0
    os.truncate(file, size - 1)
    with pytest.raises(UserError, match=r"cannot be read: .*(ends too early|file size)") as told:
        there.read()
    assert told.value.where == str(file)


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def test_a_pickle_that_runs_code_does_not_run_it(tmp_path: Path):
    file = tmp_path / "mp_rank_00_model_states.pt"
    torch.save({"module": Attack(tmp_path / "pwned")}, file)
    with pytest.raises(UserError, match=r"asks for (posix|os)\.system"):
        load(file)
    with pytest.raises(UserError, match="asks for"):
        merge(MergeConfig(checkpoint=tmp_path, out=tmp_path / "out", base="tiny"))
    file.write_bytes(pickle.dumps({"module": Attack(tmp_path / "pwned")}))
    with pytest.raises(UserError, match="cannot be read"):
        load(file)
    assert not (tmp_path / "pwned").exists() and not (tmp_path / "out").exists()


def test_a_type_that_merge_does_not_know_is_told_by_its_name(tmp_path: Path):
    torch.save({"dtype": torch.complex64}, tmp_path / "named")
    assert load(tmp_path / "named") == {"dtype": "complex64"}
    torch.save({"weight": torch.zeros(4).to(torch.float8_e4m3fnuz)}, tmp_path / "held")
    with pytest.raises(UserError, match="held: holds a tensor of type float8_e4m3fnuz, which merge does not read"):
        load(tmp_path / "held")


def test_weight_files_of_torch_are_unpickled_as_carefully(plain: Path, tmp_path: Path):
    folder = Path(shutil.copytree(plain, tmp_path / "bin"))
    for file in (*folder.glob("*.safetensors*"), *folder.glob("state.json")):
        file.unlink()
    torch.save({"model.norm.weight": Attack(tmp_path / "pwned")}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin: asks for (posix|os)\.system"):
        merge(MergeConfig(checkpoint=folder, out=tmp_path / "out"))
    assert not (tmp_path / "pwned").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("asked", ["torch\nfloat32", "torch\nFloatStorage", "torch\nSize"])
def test_a_pickle_cannot_change_what_later_ones_are_read_with(asked: str, tmp_path: Path):
    before = pickle.dumps(TYPES["float32"])
    meddling = f"c{asked}\n}}(S'itemsize'\nI1\nub."  # take the thing itself, and set an attribute of it
    (tmp_path / ".metadata").write_bytes(meddling.encode())
    with pytest.raises(UserError, match="cannot be read"):
        metadata(tmp_path / ".metadata")
    assert pickle.dumps(TYPES["float32"]) == before and TYPES["float32"].itemsize == 4


def test_deepspeeds_own_classes_become_stand_ins_and_are_not_imported(tmp_path: Path):
    script = (
        "import sys, torch, deepspeed\nfrom deepspeed.runtime.zero.config import ZeroStageEnum\n"
        "from deepspeed.runtime.fp16.loss_scaler import LossScaler\n"
        "torch.save({'stage': ZeroStageEnum(3), 'scaler': LossScaler(1), 'x': torch.arange(3)}, sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "f.pt")], check=True, capture_output=True)
    content = load(tmp_path / "f.pt")
    assert isinstance(content["stage"], Inert) and content["stage"].args == (3,)
    assert isinstance(content["scaler"], Inert) and content["x"].read().tolist() == [0, 1, 2]


def test_a_finished_merge_is_not_done_again_and_another_is_not_overwritten(plain: Path, tmp_path: Path):
    first = merge(MergeConfig(checkpoint=plain, out=tmp_path / "out"))
    stamp = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    assert merge(MergeConfig(checkpoint=plain, out=tmp_path / "out")) == first
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="another merge"):
        merge(MergeConfig(checkpoint=plain, out=tmp_path / "out", dtype="bfloat16"))
    with pytest.raises(UserError, match="no merge of mmupt's"):
        merge(MergeConfig(checkpoint=plain, out=model_dir()))


def test_the_checkpoint_itself_is_never_replaced(plain: Path, tmp_path: Path):
    with pytest.raises(UserError, match="would replace the checkpoint itself"):
        merge(MergeConfig(checkpoint=plain, out=tmp_path / "run"))


def test_a_shape_that_the_config_does_not_have_is_named(plain: Path, tmp_path: Path):
    config = json.loads((plain / "config.json").read_text())
    config["text_config"]["intermediate_size"] += 8
    (plain / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"mlp\.\w+_proj.weight has shape"):
        merge(MergeConfig(checkpoint=plain, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_truncated_safetensors_file_is_named(plain: Path, tmp_path: Path):
    file = plain / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"model\.safetensors: cannot be read"):
        merge(MergeConfig(checkpoint=plain, out=tmp_path / "out"))
    assert not list(tmp_path.glob("*out*"))


def test_a_full_disk_is_one_line_and_leaves_nothing(plain: Path, tmp_path: Path):
    code = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\n"
        "from mmupt.cli import main\nsys.argv[0] = 'mmupt'\nmain()"
    )
    command = [sys.executable, "-c", code, "merge", str(plain), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2 and len(errors) == 1 and "the disk is full" in errors[0], done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_an_output_that_cannot_be_is_refused(plain: Path, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"file/.*cannot be used: Not a directory"):
        merge(MergeConfig(checkpoint=plain, out=tmp_path / "file" / "out"))


def test_a_killed_merge_leaves_nothing_or_the_whole_folder(plain: Path, tmp_path: Path):
    out = tmp_path / "out"
    code = (
        "import sys, signal, os\nfrom mmupt.merging import shards\nfrom mmupt.config.merge import MergeConfig\n"
        "from pathlib import Path\nfrom mmupt.stages.merge import merge\n"
        f"merge(MergeConfig(checkpoint=Path({str(plain)!r}), out=Path({str(out)!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    scratch = tmp_path / ".out.partial"
    until = time.monotonic() + 60
    while not scratch.exists() and not out.exists() and time.monotonic() < until:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    merge(MergeConfig(checkpoint=plain, out=out))
    assert (out / "mmupt_merge.json").exists() and not scratch.exists()


def test_a_folder_with_weights_of_its_own_is_taken_before_the_steps_in_it(plain: Path, tmp_path: Path):
    output = tmp_path / "output"
    shutil.copytree(plain, output, ignore=shutil.ignore_patterns("state.json"))
    for step in (5, 10):
        shutil.copytree(output, tmp_path / "steps" / f"checkpoint-{step}")
    shutil.copytree(tmp_path / "steps" / "checkpoint-5", output / "checkpoint-5")
    assert find(output).folder == output
    assert find(tmp_path / "steps").folder.name == "checkpoint-10"


def test_deepspeeds_step_takes_config_and_tokenizer_from_the_trainers_folder_around_it(plain: Path, tmp_path: Path):
    around = tmp_path / "checkpoint-4"
    (around / "global_step4").mkdir(parents=True)
    (around / "latest").write_text("global_step4")
    module = AutoModelForImageTextToText.from_pretrained(plain, dtype=torch.float32).state_dict()
    torch.save({"module": module, "dp_world_size": 1}, around / "global_step4" / "mp_rank_00_model_states.pt")
    side_files(around)
    shutil.copy(plain / "config.json", around)
    record = merge(MergeConfig(checkpoint=around, out=tmp_path / "out"))
    assert record["label"] == "DeepSpeed ZeRO-0" and record["step"] == 4
    merged = load_file(tmp_path / "out" / "model.safetensors")
    truth = load_file(plain / "model.safetensors")
    assert merged.keys() == truth.keys() and all(torch.equal(merged[name], truth[name]) for name in truth)


def test_weights_are_written_in_the_order_of_the_checkpoint(plain: Path, tmp_path: Path):
    """So that a disk reads forward, and reading and writing overlap."""
    truth = load_file(plain / "model.safetensors")
    turned = dict(reversed(truth.items()))
    for name, order in (("forward", truth), ("backward", turned)):
        folder = tmp_path / name
        shutil.copytree(plain, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        torch.save(order, folder / "pytorch_model.bin")
        merge(MergeConfig(checkpoint=folder, out=tmp_path / "out" / name))
        raw = (tmp_path / "out" / name / "model.safetensors").read_bytes()
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        assert [key for key in header if key != "__metadata__"] == list(order)
        ends = [header[key]["data_offsets"] for key in order]
        assert [start for start, _ in ends] == [0, *(end for _, end in ends[:-1])]
