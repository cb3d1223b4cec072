"""Tensors that lie in files as boxes of the whole: what sharded checkpoints of torch are opened as.

The boxes must tile each tensor exactly; that is seen from their places alone, before anything is read.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from mmupt.errors import UserError
from mmupt.merging.numbers import Numbers, identical
from mmupt.merging.same_step import MIXED
from mmupt.merging.stored import Stored
from mmupt.merging.weights import CHUNK


@dataclass(frozen=True)
class Block:
    """One box of a tensor."""

    offsets: tuple[int, ...]
    """Where its first element lies in the whole."""
    stored: Stored
    copies: tuple[Stored, ...] = ()
    """The same box as others have stored it; all of it is compared while it is read."""

    @property
    def ends(self) -> tuple[int, ...]:
        return tuple(offset + size for offset, size in zip(self.offsets, self.stored.shape, strict=True))

    def read(self, name: str) -> Numbers:
        """The whole box."""
        return _same(name, [self.stored, *self.copies])

    def parts(self, name: str) -> Iterator[Numbers]:
        """The box as flat pieces."""
        held = [self.stored, *self.copies]
        if not all(each.contiguous for each in held):
            yield self.read(name).reshape(-1)
            return
        rows = [each.flat() for each in held]
        for start in range(0, self.stored.numel, CHUNK):
            stop = min(start + CHUNK, self.stored.numel)
            yield _same(name, [row.part(start, stop) for row in rows])


class Blocks:
    """Weights in boxes. Boxes of whole rows stream; a tensor that is cut otherwise is put together in memory."""

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], blocks: Mapping[str, Sequence[Block]], where: str
    ) -> None:
        self.shapes = shapes
        self._blocks = {name: _tiling(name, shapes[name], found, where) for name, found in blocks.items()}

    def parts(self, name: str) -> Iterator[Numbers]:
        blocks, shape = self._blocks[name], self.shapes[name]
        if any(block.stored.shape[1:] != shape[1:] for block in blocks):
            yield self._whole(name).reshape(-1)
            return
        for block in blocks:
            yield from block.parts(name)

    def _whole(self, name: str) -> Numbers:
        blocks = self._blocks[name]
        whole: Numbers = np.empty(self.shapes[name], blocks[0].stored.dtype)
        for block in blocks:
            box = tuple(slice(start, stop) for start, stop in zip(block.offsets, block.ends, strict=True))
            whole[box] = block.read(name)
        return whole


def _same(name: str, copies: Sequence[Stored]) -> Numbers:
    """What the first of them holds; the others must hold it too, bit for bit."""
    first = copies[0].read()
    for copy in copies[1:]:
        if not identical(copy.read(), first):
            told = f"its copy of {name} differs from that in {copies[0].path.name}"
            raise UserError(told, where=str(copy.path), fix=MIXED)
    return first


def _tiling(name: str, shape: tuple[int, ...], found: Sequence[Block], where: str) -> list[Block]:
    """The boxes in order, the empty ones left out."""
    blocks = sorted((block for block in found if block.stored.numel), key=lambda block: block.offsets)
    if any(len(block.offsets) != len(shape) for block in blocks):
        raise UserError(f"a piece of {name} has not as many dimensions as the whole", where=where)
    inside = all(end <= size for block in blocks for end, size in zip(block.ends, shape, strict=True))
    rows = all(block.stored.shape[1:] == shape[1:] for block in blocks)  # then only neighbours can overlap
    pairs = pairwise(blocks) if rows else combinations(blocks, 2)
    apart = not any(_overlap(a, b) for a, b in pairs)
    count = sum(block.stored.numel for block in blocks)
    if not (inside and apart and count == math.prod(shape)):
        told = f"the pieces of {name} hold {count} elements and do not make up its shape {shape}"
        raise UserError(told, where=where, fix=MIXED)
    if len({block.stored.dtype for block in blocks}) > 1:
        raise UserError(f"the pieces of {name} are of different types", where=where)
    return blocks


def _overlap(a: Block, b: Block) -> bool:
    spans = zip(a.offsets, a.ends, b.offsets, b.ends, strict=True)
    return all(max(first, other) < min(end, last) for first, end, other, last in spans)
