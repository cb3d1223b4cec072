"""What a model's weights are: the shape of the answer, and a quick first answer that needs no library.

To ask transformers takes seconds. For Qwen2.5-VL the names and shapes are also told here, from config.json alone, so
that bytes can flow in the meantime. Nothing rests on this outline: a merge is finished only when the model class has
said the very same, and is made again from the class's own answer when it has not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Shapes = dict[str, tuple[int, ...]]
_CLASS = "Qwen2_5_VLForConditionalGeneration"
_TEXT, _VISION = "model.language_model.", "model.visual."


@dataclass(frozen=True)
class Architecture:
    """The weights of one model class."""

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    """Name in memory -> shape; a tied weight stands once."""
    saved_names: Mapping[str, str]
    """Name in memory -> name in published folders (`model.language_model.*` -> `model.*`), which all readers know."""
    tied: Mapping[str, str]
    """Name in memory that is left out -> the name that it is tied to."""

    def memory_names(self) -> dict[str, str]:
        """Each name that a weight of this model may have on disk -> its name in memory."""
        own = {name: name for name in [*self.shapes, *self.tied]}
        return {**{saved: name for name, saved in self.saved_names.items()}, **own}


def outline(config: Mapping[str, object]) -> Architecture | None:
    """The architecture that a config.json seems to describe; None where only the model class can tell."""
    if config.get("architectures") != [_CLASS]:
        return None
    try:
        text, vision = _sizes(config.get("text_config", config)), _sizes(config["vision_config"])
        shapes = {**_language(text), **_sight(vision)}
    except (KeyError, ZeroDivisionError):
        return None
    tied = {"lm_head.weight": f"{_TEXT}embed_tokens.weight"} if config.get("tie_word_embeddings") else {}
    saved = {name: name.replace(_TEXT, "model.", 1).replace(_VISION, "visual.", 1) for name in shapes}
    return Architecture(_CLASS, {name: shape for name, shape in shapes.items() if name not in tied}, saved, tied)


def _sizes(part: object) -> dict[str, int]:
    return {key: value for key, value in part.items() if isinstance(value, int)} if isinstance(part, dict) else {}


def _language(text: Mapping[str, int]) -> Shapes:
    width, inner, words = text["hidden_size"], text["intermediate_size"], text["vocab_size"]
    narrow = width // text["num_attention_heads"] * text["num_key_value_heads"]
    layer = {
        **_linear("self_attn.q_proj", width, width),
        **_linear("self_attn.k_proj", narrow, width),
        **_linear("self_attn.v_proj", narrow, width),
        "self_attn.o_proj.weight": (width, width),
        "mlp.gate_proj.weight": (inner, width),
        "mlp.up_proj.weight": (inner, width),
        "mlp.down_proj.weight": (width, inner),
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
    }
    ends: Shapes = {f"{_TEXT}embed_tokens.weight": (words, width), f"{_TEXT}norm.weight": (width,)}
    return {**ends, **_repeated(f"{_TEXT}layers", text["num_hidden_layers"], layer), "lm_head.weight": (words, width)}


def _sight(vision: Mapping[str, int]) -> Shapes:
    width, inner = vision["hidden_size"], vision["intermediate_size"]
    wide = width * vision.get("spatial_merge_size", 2) ** 2
    pixels = (vision.get("in_channels", 3), vision.get("temporal_patch_size", 2), *[vision["patch_size"]] * 2)
    block = {
        **_linear("attn.qkv", 3 * width, width),
        **_linear("attn.proj", width, width),
        **_linear("mlp.gate_proj", inner, width),
        **_linear("mlp.up_proj", inner, width),
        **_linear("mlp.down_proj", width, inner),
        "norm1.weight": (width,),
        "norm2.weight": (width,),
    }
    ends = {
        "patch_embed.proj.weight": (width, *pixels),
        "merger.ln_q.weight": (width,),
        **_linear("merger.mlp.0", wide, wide),
        **_linear("merger.mlp.2", vision["out_hidden_size"], wide),
    }
    return {
        **{f"{_VISION}{name}": shape for name, shape in ends.items()},
        **_repeated(f"{_VISION}blocks", vision["depth"], block),
    }


def _linear(name: str, rows: int, columns: int) -> Shapes:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _repeated(name: str, count: int, layer: Shapes) -> Shapes:
    return {f"{name}.{number}.{key}": shape for number in range(count) for key, shape in layer.items()}
