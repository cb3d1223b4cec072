"""FSDP's checkpoints as EasyR1 and verl write them: one file a rank, each parameter a DTensor that knows its place.

Nothing of a file is believed that the other files do not say too: the world size, the mesh, the keys and the shapes
must be the same in all of them, each rank must stand at a place of its own, and copies of one part must be alike. A
plain tensor among DTensors is one that every rank has whole, so it is a copy, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmupt.errors import UserError
from mmupt.merging.blocks import Block, Blocks
from mmupt.merging.same_step import MIXED, shards_of_one_step
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import load
from mmupt.merging.unpickle import Inert
from mmupt.merging.weights import Pieces, Weights

_SAVE = "save with FSDP's sharded state dict"
_ALL = "copy the missing files, or merge another step"
Place = tuple[int, ...]
"""The coordinate of a rank, one number for each dimension of the mesh."""


@dataclass(frozen=True)
class _Local:
    """One rank's piece of one parameter."""

    stored: Stored
    place: Place
    """Empty for a plain tensor, which is no part of anything."""
    cuts: tuple[int | None, ...]
    """For each dimension of the mesh the dimension of the tensor that it cuts; None where it holds copies."""
    shape: tuple[int, ...]
    rank: object
    """The rank that wrote it, where the file says so."""
    world: int | None
    """Ranks that there were, where the file says so."""


def open_fsdp(files: Sequence[Path]) -> Weights:
    """The weights in these files, which are in the order of their ranks."""
    contents = [load(path) for path in files]
    for path, content in zip(files, contents, strict=True):
        if extra := sorted(content.keys() ^ contents[0].keys()):
            raise UserError(f"{extra[0]} is not in all of the files", where=str(path), fix=MIXED)
    if len(files) == 1 and all(isinstance(value, Stored) for value in contents[0].values()):
        whole = {name: value for name, value in contents[0].items() if isinstance(value, Stored)}
        return Pieces({name: value.shape for name, value in whole.items()}, {k: [v] for k, v in whole.items()})
    shards_of_one_step(files)
    ranks = [
        {name: _local(name, value, path) for name, value in content.items()}
        for path, content in zip(files, contents, strict=True)
    ]
    sizes = _mesh(ranks, files)
    blocks = {name: _blocks(name, [rank[name] for rank in ranks], sizes, files) for name in contents[0]}
    return Blocks({name: local.shape for name, local in ranks[0].items()}, blocks, str(files[0].parent))


def _local(name: str, value: object, path: Path) -> _Local:
    if isinstance(value, Stored):
        return _Local(value, (), (), value.shape, None, None)
    if not (isinstance(value, Inert) and value.name.endswith(".DTensor")):
        kind = value.name if isinstance(value, Inert) else type(value).__name__
        raise UserError(f"{name} is no DTensor, but {kind}", where=str(path), fix=_SAVE)
    stored, spec = value.get("_local_tensor"), value.get("_spec")
    mesh = spec.get("mesh") if isinstance(spec, Inert) else None
    meta = spec.get("tensor_meta") if isinstance(spec, Inert) else None
    placements = spec.get("placements") if isinstance(spec, Inert) else None
    place = mesh.get("_coordinate_on_dim") if isinstance(mesh, Inert) else None
    shape = meta.args[0] if isinstance(meta, Inert) and meta.args else None
    if not (isinstance(stored, Stored) and isinstance(placements, tuple) and isinstance(place, tuple | list)):
        raise UserError(f"{name} does not tell its place in the mesh", where=str(path), fix=MIXED)
    if not isinstance(shape, tuple) or len(placements) != len(place):
        raise UserError(f"{name} does not tell its whole shape", where=str(path), fix=MIXED)
    cuts = tuple(_cut(name, placement, path) for placement in placements)
    rank = mesh.get("_rank") if isinstance(mesh, Inert) else None
    return _Local(stored, tuple(map(int, place)), cuts, tuple(map(int, shape)), rank, _world(mesh))


def _world(mesh: object) -> int | None:
    ranks = [mesh.get(key) for key in ("_flatten_rank_map", "_rank_map", "mesh")] if isinstance(mesh, Inert) else []
    sizes = (each.numel if isinstance(each, Stored) else len(each) for each in ranks if isinstance(each, Stored | list))
    return next(sizes, None)


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
    placed = [[local for local in rank.values() if local.place] for rank in ranks]
    for rank, path in zip(placed, files, strict=True):
        if not rank:
            told = "holds no DTensor, so that nobody knows which part of the whole it is"
            raise UserError(told, where=str(path), fix=_SAVE)
    firsts = [rank[0] for rank in placed]
    for number, (rank, path) in enumerate(zip(placed, files, strict=True)):
        if any(local.place != firsts[number].place for local in rank):
            raise UserError("its parameters stand at different places of the mesh", where=str(path))
        if (world := firsts[number].world) is not None and world > len(files):
            there = f"there {'is' if len(files) == 1 else 'are'} {len(files)} file{'s' if len(files) > 1 else ''}"
            raise UserError(f"was written by {world} ranks, and {there}", where=str(path), fix=_ALL)
        if firsts[number].rank not in (None, number):
            told = f"holds the part of rank {firsts[number].rank}, though it is named for rank {number}"
            raise UserError(told, where=str(path), fix=MIXED)
    places = [first.place for first in firsts]
    sizes = tuple(max(column) + 1 for column in zip(*places, strict=True))
    count = 1
    for size in sizes:
        count *= size
    if len(set(places)) != len(files) or count != len(files):
        told = f"the {len(files)} files stand at {len(set(places))} places of a mesh of {count}"
        raise UserError(told, where=str(files[0].parent), fix=MIXED)
    return sizes


def _blocks(name: str, locals_: Sequence[_Local], sizes: Place, files: Sequence[Path]) -> list[Block]:
    found: dict[Place, list[Stored]] = {}
    for local, path in zip(locals_, files, strict=True):
        if bool(local.place) != bool(locals_[0].place):
            told = f"{name} is a DTensor in one file and a plain tensor in another"
            raise UserError(told, where=str(path), fix=MIXED)
        if (local.shape, local.cuts) != (locals_[0].shape, locals_[0].cuts):
            raise UserError(f"{name} has another shape or cut than in the first file", where=str(path), fix=MIXED)
        offsets, wanted = [0] * len(local.shape), list(local.shape)
        for cut, at, count in zip(local.cuts, local.place, sizes, strict=bool(local.place)):
            if cut is not None:
                step = -(-wanted[cut] // count)
                start = min(at * step, wanted[cut])
                offsets[cut], wanted[cut] = offsets[cut] + start, min(step, wanted[cut] - start)
        if local.stored.shape != tuple(wanted):
            told = f"its part of {name} has shape {local.stored.shape}, and its place needs {tuple(wanted)}"
            raise UserError(told, where=str(path), fix=MIXED)
        found.setdefault(tuple(offsets), []).append(local.stored)
    return [Block(offsets, copies[0], tuple(copies[1:])) for offsets, copies in found.items()]
