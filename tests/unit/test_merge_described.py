"""What transformers says of a config.json is asked once, and asked again as soon as anything else could be said."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mmupt.errors import UserError
from mmupt.merging.architecture import description
from mmupt.merging.described import Description, Question, cache_folder
from mmupt.problems.tiny import model_dir


def describe(folder: Path, dtype: str) -> Description:
    with Question(folder, dtype) as question:
        return question.answer()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMUPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "architectures"


def test_the_answer_of_the_other_process_is_the_class_s_own_and_is_kept(cache: Path):
    wanted = description(model_dir(), "float16")
    assert wanted.model.tied and not wanted.nested
    assert describe(model_dir(), "float16") == wanted
    (kept,) = cache.iterdir()
    before = kept.stat().st_mtime_ns
    assert describe(model_dir(), "float16") == wanted and kept.stat().st_mtime_ns == before


def test_another_dtype_config_or_version_is_asked_for_anew(cache: Path, tmp_path: Path, monkeypatch):
    describe(model_dir(), "float16")
    describe(model_dir(), "bfloat16")
    other = tmp_path / "other"
    other.mkdir()
    config = json.loads((model_dir() / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = False
    (other / "config.json").write_text(json.dumps(config))
    assert not describe(other, "float16").model.tied
    assert len(list(cache.iterdir())) == 3
    monkeypatch.setattr("mmupt.merging.described.version", lambda name: "5.18.0.dev0")
    describe(other, "float16")
    assert len(list(cache.iterdir())) == 3  # code that changes under one version is asked each time


@pytest.mark.parametrize("change", [lambda text: "", lambda text: text[:-9], lambda text: text.replace("norm", "mron")])
def test_a_broken_answer_is_asked_for_again(change, cache: Path):
    wanted = describe(model_dir(), "float32")
    (kept,) = cache.iterdir()
    whole = kept.read_text()
    kept.write_text(change(whole))
    assert describe(model_dir(), "float32") == wanted
    assert kept.read_text() == whole


def test_an_answer_of_another_user_is_asked_for_again(cache: Path, monkeypatch):
    wanted = describe(model_dir(), "float32")
    (kept,) = cache.iterdir()
    before = kept.stat().st_ino
    monkeypatch.setattr(os, "getuid", lambda: kept.stat().st_uid + 1)
    assert describe(model_dir(), "float32") == wanted
    assert kept.stat().st_ino != before


def test_a_process_that_is_ended_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("mmupt.merging.described._ASK", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(UserError, match=r"config\.json: transformers cannot be asked .* it was ended by SIGKILL"):
        describe(model_dir(), "float32")


def test_what_transformers_stumbles_over_is_told_in_one_line(tmp_path: Path):
    config = json.loads((model_dir() / "config.json").read_text())
    config["text_config"]["hidden_size"] = "wide"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"config\.json: .*hidden_size"):
        describe(tmp_path, "float32")


def test_a_question_that_nobody_waits_for_ends():
    with Question(model_dir(), "float16") as question:
        process = question._process
        assert process is not None and process.poll() is None
    assert process.poll() == -9


def test_a_home_that_cannot_be_written_to_costs_only_time(monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("MMUPT_CACHE", str(tmp_path / "file" / "below"))
    assert describe(model_dir(), "float32").model.name == "Qwen2_5_VLForConditionalGeneration"


def test_the_cache_lies_where_caches_lie(monkeypatch, tmp_path: Path):
    monkeypatch.delenv("MMUPT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "mmupt"
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder() == Path.home() / ".cache" / "mmupt"


def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MMUPT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None and describe(model_dir(), "float32").model.tied


def test_a_class_that_transformers_does_not_have_is_told_with_the_file(tmp_path: Path):
    config = json.loads((model_dir() / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["Unheard"]}))
    with pytest.raises(UserError, match="has no model class Unheard") as told:
        describe(tmp_path, "float32")
    assert told.value.where == str(tmp_path / "config.json")


def test_nothing_of_the_folder_that_it_is_started_in_is_imported(tmp_path: Path):
    """A downloaded checkpoint may hold a transformers.py."""
    here = Path(shutil.copytree(model_dir(), tmp_path / "model"))
    for name in ("transformers", "torch", "json"):
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(9)\n")
    mmupt = Path(sys.executable).with_name("mmupt")
    command = [str(mmupt), "merge", ".", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["folder", "adapter"])
def test_a_merge_of_a_known_model_imports_neither_torch_nor_transformers(kind: str, tmp_path: Path):
    checkpoint, base = model_dir(), None
    if kind == "adapter":
        checkpoint, base = tmp_path / "adapter", str(model_dir())
        checkpoint.mkdir()
        factors = {f"model.layers.0.self_attn.q_proj.lora_{side}.weight": torch.ones(128, 128) for side in "AB"}
        save_file(factors, checkpoint / "adapter_model.safetensors")
        settings = {"peft_type": "LORA", "r": 128, "lora_alpha": 128, "base_model_name_or_path": base}
        (checkpoint / "adapter_config.json").write_text(json.dumps(settings))
    describe(model_dir(), "bfloat16")
    code = (
        "import sys\nfrom pathlib import Path\nfrom mmupt.config.merge import MergeConfig\n"
        "from mmupt.stages.merge import merge\n"
        f"paths = [Path(each) for each in {[str(checkpoint), str(tmp_path / 'out')]!r}]\n"
        f"merge(MergeConfig(checkpoint=paths[0], out=paths[1], base={base!r}))\n"
        "print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
