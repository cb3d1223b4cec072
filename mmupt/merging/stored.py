"""A tensor that still lies in a file: where its bytes are, and how they are read when it is its turn."""

import math
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmupt.errors import UserError
from mmupt.merging.numbers import Numbers

_BROKEN = "the file is damaged or truncated"
_MAPPED = 1 << 24
"""Bytes from which a tensor is mapped. A mapping costs a fault for every few pages, and keeps its file open."""


@dataclass(frozen=True)
class Stored:
    """Numbers of one type in a file, in a strided layout."""

    path: Path
    start: int
    """Byte of the first element."""
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def span(self) -> int:
        """Bytes from the first element to behind the last one."""
        reach = sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        return (reach + 1) * self.dtype.itemsize if self.numel else 0

    @property
    def contiguous(self) -> bool:
        return not self.numel or _contiguous(self.shape, self.stride)

    def flat(self) -> "Stored":
        """The same elements as one row; only a contiguous tensor is one."""
        if not self.contiguous:
            raise UserError(f"a tensor of shape {self.shape} does not lie in one piece", where=str(self.path))
        return Stored(self.path, self.start, self.dtype, (self.numel,), (1,))

    def part(self, first: int, last: int) -> "Stored":
        """Elements first..last of a row."""
        return Stored(self.path, self.start + first * self.dtype.itemsize, self.dtype, (last - first,), (1,))

    def read(self) -> Numbers:
        """The tensor, to be read only: a copy of a small one, and a large one mapped from the file."""
        if not self.numel:
            return np.empty(self.shape, self.dtype)
        page = self.start - self.start % mmap.ALLOCATIONGRANULARITY
        found: memoryview | mmap.mmap
        try:
            with self.path.open("rb", buffering=0) as file:
                if self.span < _MAPPED:
                    page, found = self.start, _copy(file.fileno(), self.start, self.span)
                else:
                    length = self.start - page + self.span
                    found = mmap.mmap(file.fileno(), length, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=page)
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror or error}", where=str(self.path)) from error
        except ValueError as error:
            raise UserError(f"cannot be read: {error}", where=str(self.path), fix=_BROKEN) from error
        steps = tuple(step * self.dtype.itemsize for step in self.stride)
        return np.ndarray(self.shape, self.dtype, found, self.start - page, steps)


def _copy(file: int, start: int, length: int) -> memoryview:
    found = np.empty(length, np.uint8).data
    done = 0
    while done < length:
        more = os.preadv(file, [found[done:]], start + done)
        if not more:
            raise ValueError("it ends too early")
        done += more
    return found


def _contiguous(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    expected = 1
    for size, step in zip(reversed(shape), reversed(stride), strict=True):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True
