"""Checkpoints of torch.distributed.checkpoint (also accelerate's): `.metadata` says what lies where in `*.distcp`."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from mmupt.errors import UserError
from mmupt.merging.blocks import Block, Blocks
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import content, metadata
from mmupt.merging.unpickle import Inert

_STATES = {"optimizer", "optim", "optimizers", "lr_scheduler", "scheduler", "rng_state", "train_state", "dataloader"}
_PREFIXES = ("", "model.", "module.", "model.module.", "state_dict.")
_FIX = "copy the missing files, or merge another step"


def open_distributed(folder: Path, known: Collection[str]) -> Blocks:
    """The model's weights; `known` are the names that they may have, and tell what was put before them."""
    path = folder / ".metadata"
    told = metadata(path)
    tensors = told.get("state_dict_metadata") if isinstance(told, Inert) else None
    places = told.get("storage_data") if isinstance(told, Inert) else None
    if not isinstance(tensors, dict) or not isinstance(places, dict):
        raise UserError("is no metadata of a distributed checkpoint", where=str(path))
    shapes = {name: shape for name, meta in tensors.items() if (shape := _shape(meta)) is not None}
    names = _names(shapes, known)
    blocks: dict[str, list[Block]] = {new: [] for new in names.values()}
    for index, place in places.items():
        name, offsets = index.get("fqn"), index.get("offset")
        if name in names:
            stored = _stored(folder, place, str(name))
            blocks[names[name]].append(Block(tuple(offsets or (0,) * len(stored.shape)), stored))
    return Blocks({new: shapes[old] for old, new in names.items()}, blocks, str(folder))


def _names(found: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Key of each weight -> its name without what was put before all of them; an optimiser's states are left out."""
    weights = [key for key in found if key.partition(".")[0] not in _STATES]
    ways = [{key: key.removeprefix(prefix) for key in weights if key.startswith(prefix)} for prefix in _PREFIXES]
    return max(ways, key=lambda names: sum(name in known for name in names.values()))


def _shape(meta: object) -> tuple[int, ...] | None:
    """None for what is no tensor."""
    size = meta.get("size") if isinstance(meta, Inert) and meta.name.endswith(".TensorStorageMetadata") else None
    return tuple(map(int, size)) if isinstance(size, tuple) else None


def _stored(folder: Path, place: object, name: str) -> Stored:
    keys = ("relative_path", "offset", "length")
    relative, start, length = (place.get(key) if isinstance(place, Inert) else None for key in keys)
    if not (isinstance(relative, str) and isinstance(start, int) and isinstance(length, int)):
        raise UserError(f"does not tell where {name} lies", where=str(folder / ".metadata"))
    if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts:
        raise UserError(f"puts {name} outside of the checkpoint", where=str(folder / ".metadata"))
    path = folder / relative
    if not path.is_file():
        raise UserError(f"{relative} is missing, and holds a part of {name}", where=str(folder), fix=_FIX)
    found = content(path, start, length)
    if not isinstance(found, Stored):
        raise UserError(f"there is no tensor where {name} should be", where=str(path), fix=_FIX)
    return found
