"""The policy's weights of the moment, one after the other, whole, with adapters added in; and as files.

Names are those of the model in memory. A tied weight comes once. Nothing is copied as a whole: beside the model there
is one weight, or one file's worth of them, at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import Tensor, nn

from mmupt.disk import disk_errors

FILE_BYTES = 1 << 30
"""A file is closed when it holds this much: so much host memory writing takes."""

Gather = Callable[[Sequence[nn.Parameter]], AbstractContextManager[object]]
"""Inside its block the parameters are whole, where they are otherwise parted among ranks."""
Weights = Iterator[tuple[str, Tensor]]


def _already_whole(_: Sequence[nn.Parameter]) -> AbstractContextManager[object]:
    return nullcontext()


def whole_weights(model: nn.Module, gather: Gather = _already_whole) -> Weights:
    """Name and value of each weight; a value is good until the next one is asked for."""
    base: nn.Module = model.get_base_model() if isinstance(model, PeftModel) else model
    adapted = {name: module for name, module in base.named_modules() if isinstance(module, LoraLayer)}
    for name, parameter in base.named_parameters():
        owner, inside, kind = name.partition(".base_layer.")
        if inside:
            layer = adapted[owner]
            with gather(list(layer.parameters())), torch.no_grad():
                yield f"{owner}.{kind}", _with_adapter(layer, parameter) if kind == "weight" else parameter.detach()
        elif ".lora_" not in name:
            with gather([parameter]):
                yield name, parameter.detach()


def write_weights(weights: Weights, folder: Path, dtype: torch.dtype) -> None:
    """Safetensors files in an existing folder."""
    held: dict[str, Tensor] = {}
    for number, (name, value) in enumerate(weights):
        held[name] = value.to("cpu", dtype, copy=True).contiguous()
        if sum(each.nbytes for each in held.values()) >= FILE_BYTES:
            _write(held, folder, number)
            held = {}
    _write(held, folder, number + 1)


def go_through(weights: Weights) -> None:
    """Take part in gathering weights that another rank writes."""
    for _ in weights:
        pass


def total_bytes(parameters: Iterable[nn.Parameter], dtype: torch.dtype) -> int:
    """What they take in that dtype, parted or not."""
    return sum(int(getattr(one, "ds_numel", one.numel())) for one in parameters) * dtype.itemsize


def _with_adapter(layer: LoraLayer, weight: Tensor) -> Tensor:
    return sum((layer.get_delta_weight(name) for name in layer.active_adapters), start=weight.detach())


def _write(held: dict[str, Tensor], folder: Path, number: int) -> None:
    if held:
        with disk_errors(folder):
            save_file(held, folder / f"weights-{number:06}.safetensors")
