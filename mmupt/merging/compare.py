"""How far a merged model is from another one: by its weights, read side by side, and by what it says of one picture.

The picture and the question are fixed, so that two comparisons can be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from mmupt.errors import UserError
from mmupt.merging.architecture import architecture
from mmupt.merging.numbers import TYPES, cast
from mmupt.merging.outline import Architecture
from mmupt.merging.weights import Renamed, Safetensors, Weights, chunks
from mmupt.prompts import answer_prompt
from mmupt.sampling import loading
from mmupt.sampling.encode import encode
from mmupt.types import ImageRef, Problem

_FP32 = TYPES["float32"]
SMALL = 1_000_000_000
"""Weights up to which both models are also run; each takes four bytes a weight then."""


@dataclass(frozen=True)
class Change:
    """The distance between the weights of one part of two models."""

    largest: float = 0.0
    where: str = ""
    """The weight that holds the largest change; empty where nothing changed."""
    total: float = 0.0
    count: int = 0

    @property
    def mean(self) -> float:
        return self.total / max(1, self.count)

    def __add__(self, other: "Change") -> "Change":
        more = max(self, other, key=lambda change: change.largest)
        return Change(more.largest, more.where, self.total + other.total, self.count + other.count)


@dataclass(frozen=True)
class Comparison:
    parts: Mapping[str, Change]
    """By part of the model; "all" is the whole."""
    logits: tuple[float, float, float] | None
    """Largest and mean difference, and the share of positions with the same likeliest token; None for large models."""


def compare(folder: Path, other: Path) -> Comparison:
    """Both folders in Hugging Face format, of one architecture."""
    model = architecture(folder)
    ours, theirs = _weights(folder, model), _weights(other, model)
    parts: dict[str, Change] = {"all": Change()}
    for name, shape in model.shapes.items():
        if theirs.shapes.get(name) != shape:
            told = f"has no {name} of shape {shape}, so the two cannot be compared"
            raise UserError(told, where=str(other), fix="name a model of the same architecture")
        change = _change(name, ours, theirs)
        for part in (_part(name), "all"):
            parts[part] = parts.get(part, Change()) + change
    small = parts["all"].count <= SMALL
    return Comparison(parts, _logits(folder, other) if small else None)


def _weights(folder: Path, model: Architecture) -> Weights:
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise UserError("holds no model*.safetensors", where=str(folder), fix="merge it first, then compare with that")
    weights, known = Safetensors(files), model.memory_names()
    return Renamed(weights, {name: known.get(name, name) for name in weights.shapes})


def _change(name: str, ours: Weights, theirs: Weights) -> Change:
    change = Change()
    for left, right in zip(chunks(ours, name), chunks(theirs, name), strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            distance = np.abs(cast(left, _FP32) - cast(right, _FP32))
        largest = float(distance.max())
        change += Change(largest, name if largest else "", float(distance.sum(dtype=np.float64)), len(distance))
    return change


def _part(name: str) -> str:
    """`model.language_model.layers.3.mlp.up_proj.weight` -> `language_model.layers`."""
    return ".".join(word for word in name.removeprefix("model.").split(".")[:2] if not word.isdigit())


def _logits(folder: Path, other: Path) -> tuple[float, float, float]:
    processor = loading.load_processor(str(folder))
    encoded = encode(processor, answer_prompt(Problem("fixed", "How many shapes are there?", (_picture(),))))
    ids = torch.tensor([encoded.input_ids])
    fields = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    pictures = {"pixel_values": encoded.pixel_values, "image_grid_thw": encoded.image_grid_thw}
    kinds = {"mm_token_type_ids": (ids == processor.image_token_id).int()}
    said = []
    for path in (folder, other):
        model = loading.load_model(str(path), dtype="float32", device="cpu")
        with torch.inference_mode():
            said.append(model(**fields, **pictures, **kinds).logits[0])
    distance = (said[0] - said[1]).abs()
    same = (said[0].argmax(-1) == said[1].argmax(-1)).float().mean()
    return float(distance.max()), float(distance.mean()), float(same)


def _picture() -> ImageRef:
    image = Image.new("RGB", (112, 112), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((14, 20, 54, 60), fill="blue")
    draw.ellipse((60, 58, 98, 96), fill="red")
    content = BytesIO()
    image.save(content, "PNG")
    return ImageRef(data=content.getvalue())
