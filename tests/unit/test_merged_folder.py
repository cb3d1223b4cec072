"""The folder that merge makes: who can load it, what it says of itself, how it compares, and where it is pushed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from blake3 import blake3
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from mmupt.config.merge import MergeConfig
from mmupt.errors import UserError
from mmupt.merging.compare import compare
from mmupt.merging.published import published_config, published_files
from mmupt.problems.tiny import model_dir
from mmupt.stages.merge import merge
from tests.house.command import one_line
from tests.hub_server import serve
from tests.troubles import without_roots_rights


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("merged") / "out"
    merge(MergeConfig(checkpoint=model_dir(), out=out))
    return out


def test_config_has_the_published_layout_which_old_and_new_versions_read(merged: Path):
    config = json.loads((merged / "config.json").read_text())
    assert "text_config" not in config and "rope_parameters" not in config
    assert config["hidden_size"] == 128 and config["rope_theta"] == 20.0
    assert config["rope_scaling"] == {"type": "mrope", "mrope_section": [4, 6, 6]}
    assert config["dtype"] == config["torch_dtype"] == "bfloat16" and "float32" not in json.dumps(config)


def test_the_model_is_the_same_after_the_change_of_layout(merged: Path):
    old, new = AutoConfig.from_pretrained(model_dir()), AutoConfig.from_pretrained(merged)
    for part in ("text_config", "vision_config"):
        a, b = getattr(old, part), getattr(new, part)
        assert a.rope_parameters["rope_theta"] == b.rope_parameters["rope_theta"]
        assert (a.hidden_size, a.initializer_range) == (b.hidden_size, b.initializer_range)
    assert new.text_config.rope_parameters["mrope_section"] == [4, 6, 6] and new.tie_word_embeddings is True
    ids = torch.arange(20, 60)[None]
    with torch.inference_mode():
        said = [
            AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)(input_ids=ids).logits
            for folder in (model_dir(), merged)
        ]
    assert torch.equal(*said)


def test_the_processor_is_the_same_after_the_change_of_layout(merged: Path):
    old, new = AutoProcessor.from_pretrained(model_dir()), AutoProcessor.from_pretrained(merged)
    assert not (merged / "processor_config.json").exists() and (merged / "preprocessor_config.json").exists()
    assert "additional_special_tokens" in json.loads((merged / "tokenizer_config.json").read_text())
    assert old.tokenizer.all_special_tokens == new.tokenizer.all_special_tokens
    assert old.tokenizer("one <|image_pad|> two").input_ids == new.tokenizer("one <|image_pad|> two").input_ids
    assert old.chat_template == new.chat_template and dict(old.image_processor.size) == dict(new.image_processor.size)
    assert old.image_processor.image_mean == new.image_processor.image_mean
    assert dict(old.video_processor.size) == dict(new.video_processor.size)


def test_files_in_the_published_layout_stay_as_they_are():
    config = {"model_type": "qwen2_5_vl", "hidden_size": 8, "rope_scaling": {"type": "mrope"}}
    assert published_config(config) == config
    assert published_config({"model_type": "llama", "text_config": {"a": 1}}) == {
        "model_type": "llama",
        "text_config": {"a": 1},
    }
    files = {"preprocessor_config.json": b'{"min_pixels": 4}', "tokenizer_config.json": b"not json"}
    assert published_files(files) == files


def test_every_shard_has_its_hash_in_the_record_and_in_the_card(merged: Path):
    record = json.loads((merged / "mmupt_merge.json").read_text())
    assert len(record["shards"]) == 1
    for shard in record["shards"]:
        digest = blake3((merged / shard["name"]).read_bytes()).hexdigest()
        assert shard["blake3"] == digest and digest in (merged / "README.md").read_text()


def test_an_untied_model_keeps_both_embeddings_and_a_tied_one_stays_tied(tmp_path: Path):
    model = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    embeddings = model.get_input_embeddings().weight.detach()
    head = embeddings + 1
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(head)
    model.save_pretrained(tmp_path / "untied")
    for file in model_dir().iterdir():
        if file.suffix != ".safetensors" and file.name != "config.json":
            shutil.copy(file, tmp_path / "untied")
    merge(MergeConfig(checkpoint=tmp_path / "untied", out=tmp_path / "out"))
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype="auto")
    assert torch.equal(again.lm_head.weight, head)
    assert torch.equal(again.get_input_embeddings().weight, embeddings)


def test_a_comparison_tells_the_largest_and_the_mean_change(merged: Path, tmp_path: Path):
    assert compare(merged, model_dir()).parts["all"].largest == 0.0
    model = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    with torch.no_grad():
        model.model.language_model.norm.weight[3] += 0.5
        model.model.visual.merger.ln_q.weight[1] -= 0.25
    model.save_pretrained(tmp_path / "moved")
    found = compare(merged, tmp_path / "moved")
    everything, norm = found.parts["all"], found.parts["language_model.norm"]
    assert everything.largest == 0.5 and everything.where == "model.language_model.norm.weight"
    assert everything.mean == pytest.approx(0.75 / everything.count) and norm.mean == pytest.approx(0.5 / 128)
    assert found.parts["visual.merger"].largest == 0.25
    assert found.logits is not None and found.logits[0] > found.logits[1] > 0


def test_a_comparison_with_another_architecture_is_refused(merged: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    shutil.copy(model_dir() / "config.json", tmp_path / "other")
    with pytest.raises(UserError, match=r"holds no model\*\.safetensors"):
        compare(merged, tmp_path / "other")
    with pytest.raises(UserError, match="no such model"):
        merge(MergeConfig(checkpoint=model_dir(), out=tmp_path / "out", compare=str(tmp_path / "nothing")))
    assert not (tmp_path / "out").exists()


def pushed(out: Path, repository: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmupt", "merge", str(model_dir()), "--out", str(out), "--push-to-hub", repository]
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    env = {**plain, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(out.parent / "home"), **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


def test_a_folder_is_pushed_whole_and_private(tmp_path: Path):
    with serve() as hub:
        done = pushed(tmp_path / "out", "me/mine", HF_ENDPOINT=hub.address, HF_TOKEN="good")
        assert done.returncode == 0, done.stderr
        assert f"pushed to {hub.address}/me/mine" in done.stdout
        assert hub.private == {"me/mine": True} and hub.commits == ["Merge of model"]
        there = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
        assert {name: hub.files["me/mine"][name] for name in there} == there


@pytest.mark.parametrize(
    ("repository", "environment", "words"),
    [
        ("no-owner", {"HF_TOKEN": "good"}, "names no repository"),
        ("me/mine", {}, "nobody is logged in"),
        ("me/mine", {"HF_TOKEN": "bad"}, "the hub cannot be used"),
        ("me/mine", {"HF_TOKEN": "good", "HF_HUB_OFFLINE": "1"}, "the hub cannot be used"),
        ("me/mine", {"HF_TOKEN": "good", "HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub cannot be used"),
    ],
)
def test_what_cannot_be_pushed_is_told_in_one_line_before_the_merge(
    repository: str, environment: dict[str, str], words: str, tmp_path: Path
):
    with serve() as hub:
        done = pushed(tmp_path / "out", repository, **{"HF_ENDPOINT": hub.address, **environment})
    assert done.returncode == 2 and not (tmp_path / "out").exists()
    assert len(done.stderr.splitlines()) == 1 and words in done.stderr, done.stderr


def test_a_read_only_folder_is_one_line_and_nothing_is_left(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    done = without_roots_rights(["merge", str(model_dir()), "--out", str(closed / "out")])
    assert done.returncode == 2 and "cannot be written" in one_line(done.stderr)
    assert list(closed.iterdir()) == []
