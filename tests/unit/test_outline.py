"""The quick answer to what a model's weights are: the model class's own for what it knows, and never the last word."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from mmupt.config.merge import MergeConfig
from mmupt.merging.architecture import architecture
from mmupt.merging.outline import outline
from mmupt.problems.tiny import model_dir
from mmupt.stages.merge import merge

SEVEN_B = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "model_type": "qwen2_5_vl",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "num_hidden_layers": 28,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "in_chans": 3,
        "out_hidden_size": 3584,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
}


@pytest.mark.parametrize("tied", [True, False])
def test_the_outline_of_a_published_config_is_what_the_model_class_says(tied: bool, tmp_path: Path):
    config = {**SEVEN_B, "tie_word_embeddings": tied}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert outline(config) == architecture(tmp_path)
    assert ("lm_head.weight" in outline(config).shapes) is not tied


def test_the_outline_of_the_embedded_model_is_what_the_model_class_says():
    assert outline(json.loads((model_dir() / "config.json").read_text())) == architecture(model_dir())


@pytest.mark.parametrize("change", [{"architectures": ["LlamaForCausalLM"]}, {"hidden_size": None}])
def test_what_it_does_not_know_is_left_to_the_model_class(change):
    assert outline({**SEVEN_B, **change}) is None


@pytest.mark.parametrize("twice", [False, True])
def test_a_wrong_outline_changes_nothing_but_the_time(twice: bool, tmp_path: Path):
    """Older versions tell within `text_config` alone that the embeddings are tied, where the outline does not look."""
    folder = Path(shutil.copytree(model_dir(), tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    del config["tie_word_embeddings"]
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    head = {"lm_head.weight": weights["model.embed_tokens.weight"].clone()} if twice else {}
    save_file({**weights, **head}, folder / "model.safetensors", {"format": "pt"})
    assert "lm_head.weight" in outline(config).shapes and "lm_head.weight" not in architecture(folder).shapes
    record = merge(MergeConfig(checkpoint=folder, out=tmp_path / "out"))
    assert record["shards"] == merge(MergeConfig(checkpoint=model_dir(), out=tmp_path / "wanted"))["shards"]
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "out").lm_head.weight.shape == (768, 128)
