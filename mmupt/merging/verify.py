"""The checks before and after writing: the weights are the model class's, and the files hold what was planned."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from mmupt.errors import UserError
from mmupt.merging.architecture import Architecture
from mmupt.merging.shards import Shard, Tensor
from mmupt.merging.weights import Safetensors, Weights


def plan(weights: Weights, model: Architecture, where: str) -> list[Tensor]:
    """What to write, by saved name; weights that do not make this model exactly are refused."""
    _same_names(weights, model, where)
    for name, shape in model.shapes.items():
        if weights.shapes[name] != shape:
            raise UserError(f"{name} has shape {weights.shapes[name]}, and {model.name} wants {shape}", where=where)
    for alias, kept in model.tied.items():
        if alias in weights.shapes and not _equal(weights.read(alias), weights.read(kept)):
            raise UserError(f"{alias} and {kept} differ, though the config ties them", where=where)
    tensors = [Tensor(name, model.saved_names[name], shape) for name, shape in model.shapes.items()]
    return sorted(tensors, key=lambda tensor: tensor.saved)


def check_files(folder: Path, shards: Sequence[Shard], tensors: Sequence[Tensor]) -> None:
    """Open what was written as any reader would: every tensor once, with its shape, and no byte short."""
    found: Mapping[str, tuple[int, ...]] = Safetensors([folder / shard.name for shard in shards]).shapes
    if dict(found) != {tensor.saved: tensor.shape for tensor in tensors}:
        raise UserError("the written files do not hold the planned weights", where=str(folder), fix="check the disk")
    for shard in shards:
        if (folder / shard.name).stat().st_size != shard.bytes:
            raise UserError(f"{shard.name} is shorter than what was written", where=str(folder), fix="check the disk")


def _same_names(weights: Weights, model: Architecture, where: str) -> None:
    missing = [name for name in model.shapes if name not in weights.shapes]
    if missing:
        raise UserError(f"{len(missing)} weights of {model.name} are missing, such as {missing[0]}", where=where)
    extra = [name for name in weights.shapes if name not in model.shapes and name not in model.tied]
    if extra:
        raise UserError(f"{len(extra)} weights are none of {model.name}'s, such as {extra[0]}", where=where)


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    # NaN is told later, by the weight that holds it.
    return torch.equal(a.nan_to_num(), b.nan_to_num())
