"""Plain LoRA folded into the weights that it adapts: W + (B @ A) * alpha / r in fp32, as peft's own merge does."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmupt.errors import UserError
from mmupt.merging.numbers import TYPES, Numbers, cast
from mmupt.merging.product import get_ready, product
from mmupt.merging.weights import Weights, pieces, whole

PREFIX = "base_model.model."
_FP32 = TYPES["float32"]
_PART = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")
_UNREAD = (
    "use_dora",
    "fan_in_fan_out",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "lora_bias",
    "trainable_token_indices",
)


class Folded:
    """Base weights with their adapters added; weights without an adapter pass through as they are."""

    def __init__(self, base: Weights, adapter: "Adapter") -> None:
        self._base, self._adapter = base, adapter
        self.shapes = base.shapes
        if lost := [name for name in adapter.targets if name not in base.shapes]:
            raise UserError(
                f"the adapter changes {lost[0]}, which the base model does not have",
                fix="name its base with --base MODEL",
            )
        for name in adapter.targets:
            if adapter.shape(name) != base.shapes[name]:
                told = f"the adapter's change of {name} is of shape {adapter.shape(name)}"
                raise UserError(f"{told}, and the weight of {base.shapes[name]}", fix="name its base with --base MODEL")

    def parts(self, name: str) -> Iterator[Numbers]:
        """The change is made whole, as peft makes it; the weight under it is never held whole."""
        if name not in self._adapter.targets:
            yield from pieces(self._base, name)
            return
        change, start = self._adapter.change(name).reshape(-1), 0
        for piece in pieces(self._base, name):
            with np.errstate(over="ignore", invalid="ignore"):  # told by the weight's name, when it is written
                sums = change[start : start + len(piece)] * _FP32.type(self._adapter.scale)
                sums += cast(piece, _FP32)
            start += len(piece)
            yield sums


@dataclass(frozen=True)
class Adapter:
    """The low-rank factors, by the name of the weight that they change."""

    weights: Weights
    targets: Mapping[str, Mapping[str, str]]
    """Weight in the base model -> {"A": key, "B": key} in `weights`."""
    scale: float

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the change of one weight."""
        low, high = (self.weights.shapes[self.targets[name][side]] for side in ("A", "B"))
        if high[1] != low[0]:
            raise UserError(f"the two LoRA factors of {name} are of shapes {high} and {low}, which do not fit")
        return high[0], low[1]

    def change(self, name: str) -> Numbers:
        """B @ A in fp32."""
        keys = self.targets[name]
        low, high = (np.ascontiguousarray(cast(whole(self.weights, keys[side]), _FP32)) for side in ("A", "B"))
        return product(high, low)


def adapter(weights: Weights, config: Path, memory_names: Mapping[str, str]) -> Adapter:
    """The adapter among `weights`; `memory_names` translates names on disk. Other keys are left alone."""
    targets: dict[str, dict[str, str]] = {}
    for key in weights.shapes:
        bare = key.removeprefix(PREFIX)
        match = _PART.fullmatch(bare)
        if match:
            target = f"{match[1]}.weight"
            targets.setdefault(memory_names.get(target, target), {})[match[2]] = key
        elif "lora_" in bare or ".modules_to_save." in bare:
            raise UserError(f"{bare} is no plain LoRA factor, and merge reads only those", where=str(config))
    if halves := [name for name, keys in targets.items() if len(keys) != 2]:
        raise UserError(f"only one of the two LoRA factors of {halves[0]} is there", where=str(config))
    if odd := [key for keys in targets.values() for key in keys.values() if _no_matrix(weights.shapes[key])]:
        raise UserError(f"{odd[0]} is no matrix, and merge reads LoRA of linear layers only", where=str(config))
    if not targets:
        raise UserError("the adapter holds no LoRA factors", where=str(config))
    get_ready()
    return Adapter(weights, targets, _scale(config))


def _no_matrix(shape: tuple[int, ...]) -> bool:
    return len(shape) != 2 or 0 in shape


def base_names(weights: Weights) -> dict[str, str]:
    """Keys of a model that carries adapters -> keys of the plain model; the adapters themselves are left out."""
    plain = (key for key in weights.shapes if "lora_" not in key)
    return {key: key.removeprefix(PREFIX).replace(".base_layer.", ".") for key in plain}


def _scale(config: Path) -> float:
    try:
        settings = json.loads(config.read_bytes())
        rank, alpha, rooted = int(settings["r"]), float(settings["lora_alpha"]), bool(settings.get("use_rslora"))

    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"is no LoRA configuration ({error})", where=str(config)) from error
    if settings.get("peft_type") != "LORA" or settings.get("bias", "none") != "none":
        raise UserError("is not plain LoRA without biases, the only kind that merge reads", where=str(config))
    if unread := [key for key in _UNREAD if settings.get(key)]:
        raise UserError(f"uses {unread[0]}, which merge does not read", where=str(config))
    if rank < 1:
        raise UserError(f"tells a rank of {rank}", where=str(config))
    return alpha / (math.sqrt(rank) if rooted else rank)
