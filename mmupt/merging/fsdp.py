"""FSDP's checkpoints as EasyR1 and verl write them: one file a rank, each parameter a DTensor that knows its place.

Nothing of a file is believed that the other files do not say too: the world size, the mesh, the keys and the shapes
must be the same in all of them, each rank must stand at a place of its own, and copies of one part must be alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mmupt.errors import UserError
from mmupt.merging.blocks import Block, Blocks
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import load
from mmupt.merging.unpickle import Inert
from mmupt.merging.weights import Pieces, Weights

_SAMPLE = 4096
"""Elements at the start of each copy that are compared: an update moves nearly all of them."""
_MIXED = "files of different steps or runs lie in one folder; merge another step"
Place = tuple[int, ...]
"""The coordinate of a rank, one number for each dimension of the mesh."""


@dataclass(frozen=True)
class _Local:
    """One rank's piece of one parameter."""

    stored: Stored
    place: Place
    cuts: tuple[int | None, ...]
    """For each dimension of the mesh the dimension of the tensor that it cuts; None where it holds copies."""
    shape: tuple[int, ...]
    rank: object
    """The rank that wrote it, where the file says so."""


def open_fsdp(files: Sequence[Path]) -> Weights:
    """The weights in these files, which are in the order of their ranks."""
    contents = [load(path) for path in files]
    for path, content in zip(files, contents, strict=True):
        if extra := sorted(content.keys() ^ contents[0].keys()):
            raise UserError(f"{extra[0]} is not in all of the files", where=str(path), fix=_MIXED)
    if len(files) == 1 and all(isinstance(value, Stored) for value in contents[0].values()):
        whole = {name: value for name, value in contents[0].items() if isinstance(value, Stored)}
        return Pieces({name: value.shape for name, value in whole.items()}, {k: [v] for k, v in whole.items()})
    _same_step(files)
    ranks = [
        {name: _local(name, value, path) for name, value in content.items()}
        for path, content in zip(files, contents, strict=True)
    ]
    sizes = _mesh(ranks, files)
    blocks = {name: _blocks(name, [rank[name] for rank in ranks], sizes, files) for name in contents[0]}
    return Blocks({name: local.shape for name, local in ranks[0].items()}, blocks, str(files[0].parent))


def _local(name: str, value: object, path: Path) -> _Local:
    if not (isinstance(value, Inert) and value.name.endswith(".DTensor")):
        told = f"{name} is no DTensor, so that nobody knows which part of the whole it is"
        raise UserError(told, where=str(path), fix="save with FSDP's sharded state dict")
    stored, spec = value.get("_local_tensor"), value.get("_spec")
    mesh = spec.get("mesh") if isinstance(spec, Inert) else None
    meta = spec.get("tensor_meta") if isinstance(spec, Inert) else None
    placements = spec.get("placements") if isinstance(spec, Inert) else None
    place = mesh.get("_coordinate_on_dim") if isinstance(mesh, Inert) else None
    shape = meta.args[0] if isinstance(meta, Inert) and meta.args else None
    if not (isinstance(stored, Stored) and isinstance(placements, tuple) and isinstance(place, tuple | list)):
        raise UserError(f"{name} does not tell its place in the mesh", where=str(path), fix=_MIXED)
    if not isinstance(shape, tuple) or len(placements) != len(place):
        raise UserError(f"{name} does not tell its whole shape", where=str(path), fix=_MIXED)
    cuts = tuple(_cut(name, placement, path) for placement in placements)
    rank = mesh.get("_rank") if isinstance(mesh, Inert) else None
    return _Local(stored, tuple(map(int, place)), cuts, tuple(map(int, shape)), rank)


def _cut(name: str, placement: object, path: Path) -> int | None:
    kind = placement.name.rpartition(".")[2] if isinstance(placement, Inert) else "?"
    if kind == "Replicate":
        return None
    dim = placement.get("dim") if isinstance(placement, Inert) else None
    if kind != "Shard" or not isinstance(dim, int):
        raise UserError(f"{name} is placed by {kind}, and merge reads Shard and Replicate", where=str(path))
    return dim


def _mesh(ranks: Sequence[Mapping[str, _Local]], files: Sequence[Path]) -> Place:
    """The size of the mesh, each place of which must be taken once."""
    firsts = [next(iter(rank.values())) for rank in ranks]
    for number, (rank, path) in enumerate(zip(ranks, files, strict=True)):
        if any(local.place != firsts[number].place for local in rank.values()):
            raise UserError("its parameters stand at different places of the mesh", where=str(path))
        if firsts[number].rank not in (None, number):
            told = f"holds the part of rank {firsts[number].rank}, though it is named for rank {number}"
            raise UserError(told, where=str(path), fix=_MIXED)
    places = [first.place for first in firsts]
    sizes = tuple(max(column) + 1 for column in zip(*places, strict=True))
    count = 1
    for size in sizes:
        count *= size
    if len(set(places)) != len(files) or count != len(files):
        told = f"the {len(files)} files stand at {len(set(places))} places of a mesh of {count}"
        raise UserError(told, where=str(files[0].parent), fix=_MIXED)
    return sizes


def _blocks(name: str, locals_: Sequence[_Local], sizes: Place, files: Sequence[Path]) -> list[Block]:
    firsts: dict[Place, Stored] = {}
    for local, path in zip(locals_, files, strict=True):
        if (local.shape, local.cuts) != (locals_[0].shape, locals_[0].cuts):
            raise UserError(f"{name} has another shape or cut than in the first file", where=str(path), fix=_MIXED)
        offsets, wanted = [0] * len(local.shape), list(local.shape)
        for cut, at, count in zip(local.cuts, local.place, sizes, strict=True):
            if cut is not None:
                step = -(-wanted[cut] // count)
                start = min(at * step, wanted[cut])
                offsets[cut], wanted[cut] = offsets[cut] + start, min(step, wanted[cut] - start)
        if local.stored.shape != tuple(wanted):
            told = f"its part of {name} has shape {local.stored.shape}, and its place needs {tuple(wanted)}"
            raise UserError(told, where=str(path), fix=_MIXED)
        if not _alike(firsts.setdefault(tuple(offsets), local.stored), local.stored):
            raise UserError(f"its copy of {name} differs from that of another rank", where=str(path), fix=_MIXED)
    return [Block(offsets, stored) for offsets, stored in firsts.items()]


def _alike(a: Stored, b: Stored) -> bool:
    if a is b or not a.numel:
        return True
    if a.dtype != b.dtype or a.stride != b.stride:
        return False
    heads = [
        (each.flat().part(0, _SAMPLE) if each.contiguous and each.numel > _SAMPLE else each).read() for each in (a, b)
    ]
    first, other = (head.reshape(-1)[:_SAMPLE].view(torch.uint8) for head in heads)
    return torch.equal(first, other)


def _same_step(files: Sequence[Path]) -> None:
    """The weights tell no step; the schedulers beside them do, where they were saved."""
    steps: dict[object, Path] = {}
    for path in files:
        beside = path.with_name(path.name.replace("model_", "extra_state_", 1))
        scheduler = load(beside).get("lr_scheduler") if beside.is_file() else None
        if isinstance(scheduler, dict):
            steps.setdefault(scheduler.get("last_epoch"), beside)
    if len(steps) > 1:
        (first, _), (other, path) = list(steps.items())[:2]
        raise UserError(f"its step is {other}, that of the other files {first}", where=str(path), fix=_MIXED)
