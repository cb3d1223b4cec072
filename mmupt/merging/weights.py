"""Weights that are read some megabytes at a time: what every kind of checkpoint is opened as."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open

from mmupt.errors import UserError
from mmupt.merging.numbers import CODES, TYPES, Numbers, equal
from mmupt.merging.stored import Stored

CHUNK = 1 << 20
"""Elements that are handled at a time: 4 MB of fp32."""
_LITTLE = 1 << 16
_UNEQUAL = "{name} has {found} elements in the checkpoint, and its shape needs {wanted}"


class Weights(Protocol):
    """Named tensors of known shape."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...

    def parts(self, name: str) -> Iterator[Numbers]:
        """Flat tensors, to be read only; one behind the other they are the elements of the whole."""
        ...


def whole(weights: Weights, name: str) -> Numbers:
    """One tensor, in memory."""
    return _one(list(chunks(weights, name))).reshape(weights.shapes[name])


def pieces(weights: Weights, name: str) -> Iterator[Numbers]:
    """All elements of one tensor in flat pieces of at most `CHUNK`, little ones put together."""
    held: list[Numbers] = []
    found, wanted = 0, math.prod(weights.shapes[name])
    for part in weights.parts(name):
        for start in range(0, len(part), CHUNK):
            held.append(part[start : start + CHUNK])
            found += len(held[-1])
            if found == wanted or sum(map(len, held)) >= _LITTLE:
                yield _one(held)
                held = []
    if found != wanted:
        raise UserError(_UNEQUAL.format(name=name, found=found, wanted=wanted))


def chunks(weights: Weights, name: str) -> Iterator[Numbers]:
    """All elements of one tensor in flat pieces of `CHUNK`, the last one shorter."""
    held: list[Numbers] = []
    found, wanted = 0, math.prod(weights.shapes[name])
    left, room = wanted, min(CHUNK, wanted)
    for part in weights.parts(name):
        start, found = 0, found + len(part)
        while start < len(part) and room:
            taken = part[start : start + room]
            held.append(taken)
            start, room, left = start + len(taken), room - len(taken), left - len(taken)
            if room == 0:
                yield _one(held)
                held, room = [], min(CHUNK, left)
    if found != wanted:
        raise UserError(_UNEQUAL.format(name=name, found=found, wanted=wanted))


def same(weights: Weights, a: str, b: str) -> bool:
    """Whether two tensors hold the same numbers; NaN is told later, by the weight that holds it."""
    if weights.shapes[a] != weights.shapes[b]:
        return False
    return all(map(equal, chunks(weights, a), chunks(weights, b)))


@dataclass(frozen=True)
class Pieces:
    """Tensors that lie in files in flat pieces, in order; padding behind the last element is cut off."""

    shapes: Mapping[str, tuple[int, ...]]
    pieces: Mapping[str, Sequence[Stored]]

    def parts(self, name: str) -> Iterator[Numbers]:
        left = math.prod(self.shapes[name])
        for piece in map(Stored.flat, self.pieces[name]):
            stop = min(piece.numel, left)
            left -= stop
            for start in range(0, stop, CHUNK):
                yield piece.part(start, min(start + CHUNK, stop)).read()


class Safetensors(Pieces):
    """The tensors of one or more safetensors files."""

    def __init__(self, files: Sequence[Path]) -> None:
        found: dict[str, Stored] = {}
        for path in files:
            for name, stored in _header(path).items():
                if name in found:
                    raise UserError(f"{name} is also in {found[name].path.name}", where=str(path))
                found[name] = stored
        shapes = {name: stored.shape for name, stored in found.items()}
        super().__init__(shapes, {name: [stored] for name, stored in found.items()})


class Renamed:
    """The same weights under other names; a name without a new one is left out."""

    def __init__(self, weights: Weights, new_names: Mapping[str, str]) -> None:
        self._weights = weights
        self._old = {new: old for old, new in new_names.items() if old in weights.shapes}
        self.shapes = {new: weights.shapes[old] for new, old in self._old.items()}

    def parts(self, name: str) -> Iterator[Numbers]:
        return pieces(self._weights, self._old[name])


def _one(flat: Sequence[Numbers]) -> Numbers:
    return flat[0] if len(flat) == 1 else np.concatenate(list(flat))


def _header(path: Path) -> dict[str, Stored]:
    try:
        with safe_open(path, framework="numpy"):  # checks that header and size fit together
            pass
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", where=str(path), fix="the file is damaged or truncated") from error
    header.pop("__metadata__", None)
    return {name: _stored(path, 8 + size, name, entry) for name, entry in header.items()}


def _stored(path: Path, base: int, name: str, entry: Mapping[str, Any]) -> Stored:
    if entry["dtype"] not in CODES:
        raise UserError(f"{name} is of type {entry['dtype']}, which merge does not read", where=str(path))
    shape = tuple(entry["shape"])
    stride = tuple(math.prod(shape[at + 1 :]) for at in range(len(shape)))
    return Stored(path, base + entry["data_offsets"][0], TYPES[CODES[entry["dtype"]]], shape, stride)
