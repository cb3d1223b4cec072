"""Checkpoints of torch.distributed.checkpoint (also accelerate's): `.metadata` says what lies where in `*.distcp`."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from mmupt.errors import UserError
from mmupt.merging.bare_names import bare_names
from mmupt.merging.blocks import Block, Blocks
from mmupt.merging.same_step import MIXED, count_of, same_step
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import content, metadata
from mmupt.merging.unpickle import Inert

_STATES = {"optimizer", "optim", "optimizers", "lr_scheduler", "scheduler", "rng_state", "train_state", "dataloader"}
_FIX = "copy the missing files, or merge another step"


def open_distributed(folder: Path, known: Collection[str]) -> Blocks:
    """The model's weights; `known` are the names that they may have, and tell what was put before them."""
    tensors, places = _told(folder)
    beside = folder.with_name(folder.name.replace("pytorch_model_fsdp", "optimizer", 1))
    for each in {folder, beside}:
        if (each / ".metadata").is_file():
            same_step(_updates(each), "optimiser step")
    shapes = {name: shape for name, meta in tensors.items() if (shape := _shape(meta)) is not None}
    names = _names(shapes, known)
    blocks: dict[str, list[Block]] = {new: [] for new in names.values()}
    for index, place in places.items():
        name, offsets = str(index.get("fqn")), index.get("offset")
        if name in names:
            stored = _stored(folder, place, name)
            at = tuple(map(int, offsets)) if isinstance(offsets, tuple) and offsets else (0,) * len(stored.shape)
            _as_told(stored, tensors[name], at, name)
            blocks[names[name]].append(Block(at, stored))
    return Blocks({new: shapes[old] for old, new in names.items()}, blocks, str(folder))


def _told(folder: Path) -> tuple[dict[str, Inert], dict[Inert, Inert]]:
    """What there is, by name, and where each part of it lies."""
    path = folder / ".metadata"
    told = metadata(path)
    tensors, places = (
        told.get(key) if isinstance(told, Inert) else None for key in ("state_dict_metadata", "storage_data")
    )
    if not isinstance(tensors, dict) or not isinstance(places, dict):
        raise UserError("is no metadata of a distributed checkpoint", where=str(path))
    known = all(isinstance(each, Inert) for each in (*tensors.values(), *places, *places.values()))
    if not known or not all(isinstance(name, str) for name in tensors):
        raise UserError("does not tell what lies where", where=str(path))
    return tensors, places


def _updates(folder: Path) -> dict[Path, set[float]]:
    """The counts of updates of an optimiser's parameters by file: torch spreads them over the files of all ranks."""
    tensors, places = _told(folder)
    counts: dict[Path, set[float]] = {}
    for index, place in places.items():
        name = str(index.get("fqn"))
        there = (folder / str(place.get("relative_path"))).is_file()  # an optimiser's file is not needed otherwise
        if there and name.endswith(".step") and _shape(tensors.get(name)) in ((), (1,)):
            stored = _stored(folder, place, name)
            if (count := count_of(stored)) is not None:
                counts.setdefault(stored.path, set()).add(count)
    return counts


def _names(found: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Key of each weight -> its name; an optimiser's states are left out."""
    return bare_names([key for key in found if key.partition(".")[0] not in _STATES], known)


def _shape(meta: object) -> tuple[int, ...] | None:
    """None for what is no tensor."""
    size = meta.get("size") if isinstance(meta, Inert) and meta.name.endswith(".TensorStorageMetadata") else None
    return tuple(map(int, size)) if isinstance(size, tuple) else None


def _as_told(stored: Stored, meta: Inert, offsets: tuple[int, ...], name: str) -> None:
    """A file of another checkpoint has other things where this one's metadata looks."""
    properties, chunks = meta.get("properties"), meta.get("chunks")
    state = properties.state if isinstance(properties, Inert) else None
    dtype = state[0] if isinstance(state, tuple) and state else stored.dtype.name
    boxes = {chunk.get("offsets"): chunk.get("sizes") for chunk in chunks} if isinstance(chunks, list) else {}
    shape = boxes.get(offsets, stored.shape)
    if (stored.dtype.name, stored.shape) != (dtype, shape):
        told = f"holds {name} as {stored.dtype} of shape {stored.shape}, and .metadata says {dtype} of shape {shape}"
        raise UserError(told, where=str(stored.path), fix=MIXED)


def _stored(folder: Path, place: Inert, name: str) -> Stored:
    keys = ("relative_path", "offset", "length")
    relative, start, length = (place.get(key) for key in keys)
    if not (isinstance(relative, str) and isinstance(start, int) and isinstance(length, int)):
        raise UserError(f"does not tell where {name} lies", where=str(folder / ".metadata"))
    if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts:
        raise UserError(f"puts {name} outside of the checkpoint", where=str(folder / ".metadata"))
    if place.get("transform_descriptors"):
        raise UserError(f"{name} is compressed, which merge does not read", where=str(folder / ".metadata"))
    path = folder / relative
    if not path.is_file():
        raise UserError(f"{relative} is missing, and holds a part of {name}", where=str(folder), fix=_FIX)
    found = content(path, start, length)
    if not isinstance(found, Stored):
        raise UserError(f"there is no tensor where {name} should be", where=str(path), fix=_FIX)
    return found
