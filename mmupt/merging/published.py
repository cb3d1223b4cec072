"""The JSON files beside the weights, in the layout of published Qwen2.5-VL folders.

transformers 5 writes one nested config, special tokens as a list, and one file for all processors. 4.5x reads none of
the three, while everyone reads what the published folders have. Only the layout changes here, never a value.
"""

import json
from collections.abc import Mapping

Json = dict[str, object]
_FLAT = ("qwen2_5_vl", "qwen2_vl")
_OWN = {"model_type", "dtype", "torch_dtype"}
"""Entries of a part that the whole has, too, with its own meaning."""


def published_config(config: Mapping[str, object]) -> Json:
    """config.json with the language model's entries at its top level, and its rotary settings under their old names."""
    text = config.get("text_config")
    if config.get("model_type") not in _FLAT or not isinstance(text, dict):
        return dict(config)
    flat: Json = {key: value for key, value in text.items() if key not in _OWN}
    flat |= {key: value for key, value in config.items() if key != "text_config"}
    rope = flat.pop("rope_parameters", None)
    if isinstance(rope, dict) and "mrope_section" in rope:
        flat |= {"rope_theta": rope.get("rope_theta", 10000.0)}
        rest = {key: value for key, value in rope.items() if key not in ("rope_theta", "rope_type")}
        flat["rope_scaling"] = {**rest, "type": "mrope"}
    vision = flat.get("vision_config")
    if isinstance(vision, dict):
        flat["vision_config"] = {key: value for key, value in vision.items() if key not in ("dtype", "torch_dtype")}
    return flat


def published_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files, tokenizer and processor settings in the old layout; what is no JSON object is left alone."""
    made = dict(files)
    tokenizer = _object(files.get("tokenizer_config.json"))
    if isinstance(extra := tokenizer.get("extra_special_tokens"), list):
        rest = {key: value for key, value in tokenizer.items() if key != "extra_special_tokens"}
        made["tokenizer_config.json"] = _bytes({**rest, "additional_special_tokens": extra})
    processor = _object(files.get("processor_config.json"))
    if isinstance(image := processor.get("image_processor"), dict):
        kind = {key: processor[key] for key in ("processor_class",) if key in processor}
        del made["processor_config.json"]
        made["preprocessor_config.json"] = _bytes({**kind, **_pixels(image), **image})
        if isinstance(video := processor.get("video_processor"), dict):
            made["video_preprocessor_config.json"] = _bytes({**kind, **video})
    return made


def _pixels(image: Mapping[str, object]) -> Json:
    """4.51 takes the limits of a picture's size from these two, not from `size`."""
    size = image.get("size")
    if not isinstance(size, dict) or not {"shortest_edge", "longest_edge"} <= size.keys():
        return {}
    return {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}


def _object(content: bytes | None) -> Json:
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _bytes(content: Json) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
