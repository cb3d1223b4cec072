"""The checks before and after writing: the weights are the model class's, and the files hold what was planned."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmupt.errors import UserError
from mmupt.merging.outline import Architecture
from mmupt.merging.shards import Shard, Tensor
from mmupt.merging.weights import Safetensors, Weights, same

_DISK = "check the disk, then merge again"


def plan(weights: Weights, model: Architecture, where: str) -> list[Tensor]:
    """What to write, in the order of the checkpoint, so that its files are read from front to end.

    Weights that do not make this model exactly are refused.
    """
    _same_names(weights, model, where)
    for name, shape in model.shapes.items():
        if weights.shapes[name] != shape:
            raise UserError(f"{name} has shape {weights.shapes[name]}, and {model.name} wants {shape}", where=where)
    for alias, kept in model.tied.items():
        if alias in weights.shapes and not same(weights, alias, kept):
            raise UserError(f"{alias} and {kept} differ, though the config ties them", where=where)
    wanted = ((name, shape) for name, shape in weights.shapes.items() if name in model.shapes)
    return [Tensor(name, model.saved_names[name], shape) for name, shape in wanted]


def check_files(folder: Path, shards: Sequence[Shard], tensors: Sequence[Tensor], dtype: np.dtype[np.generic]) -> None:
    """Open what was written as any reader would: every tensor once, its shape and type, and no byte more or less."""
    found = Safetensors([folder / shard.name for shard in shards])
    types = {piece.dtype for pieces in found.pieces.values() for piece in pieces}
    sizes = [(folder / shard.name).stat().st_size for shard in shards]
    if found.shapes != {tensor.saved: tensor.shape for tensor in tensors} or types != {dtype}:
        raise UserError("the written files do not hold the planned weights", where=str(folder), fix=_DISK)
    if sizes != [shard.bytes for shard in shards]:
        raise UserError("the written files are not of the planned size", where=str(folder), fix=_DISK)


def _same_names(weights: Weights, model: Architecture, where: str) -> None:
    missing = [name for name in model.shapes if name not in weights.shapes]
    if missing:
        raise UserError(f"{len(missing)} weights of {model.name} are missing, such as {missing[0]}", where=where)
    extra = [name for name in weights.shapes if name not in model.shapes and name not in model.tied]
    if extra:
        raise UserError(f"{len(extra)} weights are none of {model.name}'s, such as {extra[0]}", where=where)
