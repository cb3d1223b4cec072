"""A model's dimensions -> how many weights it has, where they sit, and what one token leaves behind for the backward
pass. Numbers only: no weight is read, no ML library imported, and nothing is asked of the network.

The class is Qwen2.5-VL (`qwen2_5_vl`). Dimensions come from a config.json, or from the published ones by the model's
name: https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct and its siblings.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmupt.config.train import LoraConfig
from mmupt.errors import UserError

MODEL_TYPE = "qwen2_5_vl"


@dataclass(frozen=True)
class Linear:
    """One linear layer, by the last part of its name; `count` of them are alike."""

    name: str
    inputs: int
    outputs: int
    bias: bool
    count: int


@dataclass(frozen=True)
class Language:
    """The decoder."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool
    """Whether the output layer is the embedding."""

    def linears(self) -> Iterator[Linear]:
        kv = self.hidden // self.heads * self.kv_heads
        yield Linear("q_proj", self.hidden, self.hidden, True, self.layers)
        yield Linear("k_proj", self.hidden, kv, True, self.layers)
        yield Linear("v_proj", self.hidden, kv, True, self.layers)
        yield Linear("o_proj", self.hidden, self.hidden, False, self.layers)
        yield Linear("gate_proj", self.hidden, self.intermediate, False, self.layers)
        yield Linear("up_proj", self.hidden, self.intermediate, False, self.layers)
        yield Linear("down_proj", self.intermediate, self.hidden, False, self.layers)

    @property
    def parameters(self) -> int:
        tables = self.vocabulary * self.hidden * (1 if self.tied else 2)
        norms = (2 * self.layers + 1) * self.hidden
        return tables + norms + _weights(self.linears())

    @property
    def cache_entries(self) -> int:
        """Keys and values that one token leaves in a cache."""
        return 2 * self.layers * self.kv_heads * (self.hidden // self.heads)


@dataclass(frozen=True)
class Vision:
    """The vision tower, merger included."""

    hidden: int
    intermediate: int
    layers: int
    out: int
    patch_values: int
    """Numbers in one patch: colours x frames x patch size squared."""
    merged: int
    """Patches that become one image token."""

    def linears(self) -> Iterator[Linear]:
        wide = self.hidden * self.merged
        yield Linear("qkv", self.hidden, 3 * self.hidden, True, self.layers)
        yield Linear("proj", self.hidden, self.hidden, True, self.layers)
        yield Linear("gate_proj", self.hidden, self.intermediate, True, self.layers)
        yield Linear("up_proj", self.hidden, self.intermediate, True, self.layers)
        yield Linear("down_proj", self.intermediate, self.hidden, True, self.layers)
        yield Linear("0", wide, wide, True, 1)
        yield Linear("2", wide, self.out, True, 1)

    @property
    def parameters(self) -> int:
        norms = (2 * self.layers + 1) * self.hidden
        return self.patch_values * self.hidden + norms + _weights(self.linears())


@dataclass(frozen=True)
class ModelShape:
    """Both halves."""

    language: Language
    vision: Vision

    @property
    def parameters(self) -> int:
        return self.language.parameters + self.vision.parameters

    def adapter_parameters(self, lora: LoraConfig, *, vision: bool) -> int:
        """Weights of low-rank adapters; `vision`: on the vision tower as well."""
        layers = [*self.language.linears(), *(self.vision.linears() if vision else ())]
        adapted = [each for each in layers if each.name in lora.target_modules]
        return sum(each.count * lora.rank * (each.inputs + each.outputs) for each in adapted)


def find_shape(model: str) -> ModelShape | None:
    """The shape of a model folder, of a model in the hub's cache, or of a published one; None where it is not known."""
    from mmupt.sampling.models import resolve_model

    name = resolve_model(model)
    if known := PUBLISHED.get(name.removesuffix("-Instruct")):
        return known
    file = Path(name, "config.json") if Path(name).is_dir() else _cached(name)
    if file is None:
        return None
    try:
        settings = json.loads(file.read_bytes())
        return shape_of(settings) if settings.get("model_type") == MODEL_TYPE else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        fix = "copy it anew from where it came"
        raise UserError(
            f"is no model's config.json ({type(error).__name__}: {error})", where=str(file), fix=fix
        ) from error


def shape_of(settings: Mapping[str, object]) -> ModelShape:
    """From the content of a config.json, of today's layout or of the published one, which has no `text_config`."""
    text, seen = settings.get("text_config", settings), settings["vision_config"]
    assert isinstance(text, Mapping) and isinstance(seen, Mapping)
    tied = bool(settings.get("tie_word_embeddings", text.get("tie_word_embeddings", False)))
    language = Language(
        text["hidden_size"],
        text["intermediate_size"],
        text["num_hidden_layers"],
        text["num_attention_heads"],
        text["num_key_value_heads"],
        text["vocab_size"],
        tied,
    )
    patch = seen.get("in_channels", 3) * seen.get("temporal_patch_size", 2) * seen["patch_size"] ** 2
    merged = seen.get("spatial_merge_size", 2) ** 2
    vision = Vision(
        seen["hidden_size"], seen["intermediate_size"], seen["depth"], seen["out_hidden_size"], patch, merged
    )
    return ModelShape(language, vision)


def _published(language: Language, vision_intermediate: int) -> ModelShape:
    return ModelShape(language, Vision(1280, vision_intermediate, 32, language.hidden, 3 * 2 * 14 * 14, 4))


PUBLISHED: Mapping[str, ModelShape] = {
    "Qwen/Qwen2.5-VL-3B": _published(Language(2048, 11008, 36, 16, 2, 151936, True), 3420),
    "Qwen/Qwen2.5-VL-7B": _published(Language(3584, 18944, 28, 28, 4, 152064, False), 3420),
    "Qwen/Qwen2.5-VL-32B": _published(Language(5120, 27648, 64, 40, 8, 152064, False), 3456),
    "Qwen/Qwen2.5-VL-72B": _published(Language(8192, 29568, 80, 64, 8, 152064, False), 3456),
}


def _weights(layers: Iterator[Linear]) -> int:
    return sum(each.count * (each.inputs + each.bias) * each.outputs for each in layers)


def _cached(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json")
    return Path(found) if isinstance(found, str) else None
