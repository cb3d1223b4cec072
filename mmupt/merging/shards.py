"""`Weights` -> safetensors files, some megabytes in memory at a time; each byte is a function of the weights alone.

A file's header is known from the plan, so it is written first. Every block is read back, compared and hashed while the
next one is made, and the disk is kept busy all the while.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import torch

from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.merging.weights import DTYPES, Weights, chunks

_WRITE = 1 << 20
"""Bytes of one write: ext4 takes blocks of 16 MB eight times as slowly as those of 1 MB."""
_CODES = {dtype: code for code, dtype in DTYPES.items()}
_INTEGERS = {2: torch.int16, 4: torch.int32}
"""Blocks are compared bit for bit, for which torch is four times as quick with these as with single bytes."""


@dataclass(frozen=True)
class Tensor:
    """One weight to be written."""

    key: str
    """Its name in `Weights`."""
    saved: str
    """Its name in the file."""
    shape: tuple[int, ...]

    def size(self, dtype: torch.dtype) -> int:
        """Bytes on disk."""
        return math.prod(self.shape) * int(dtype.itemsize)


@dataclass(frozen=True)
class Shard:
    """One file that was written."""

    name: str
    sha256: str
    bytes: int


def write_shards(
    weights: Weights,
    plan: Sequence[Tensor],
    dtype: torch.dtype,
    folder: Path,
    limit: int,
    advance: Callable[[int], None],
) -> list[Shard]:
    """Cast, check and write the plan in order: files of at most `limit` bytes, with an index when there are several."""
    files = _split(plan, dtype, limit)
    shards, weight_map = [], {}
    for number, tensors in enumerate(files, start=1):
        name = "model.safetensors" if len(files) == 1 else f"model-{number:05d}-of-{len(files):05d}.safetensors"
        shards.append(_write(weights, tensors, dtype, folder / name, advance))
        weight_map.update({tensor.saved: name for tensor in tensors})
    if len(files) > 1:
        total = sum(tensor.size(dtype) for tensor in plan)
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        write_atomic(folder / "model.safetensors.index.json", json.dumps(index, indent=2) + "\n")
    return shards


def _split(plan: Sequence[Tensor], dtype: torch.dtype, limit: int) -> list[list[Tensor]]:
    files: list[list[Tensor]] = [[]]
    room = limit
    for tensor in plan:
        size = tensor.size(dtype)
        if files[-1] and size > room:
            files.append([])
            room = limit
        files[-1].append(tensor)
        room -= size
    return files


def _write(
    weights: Weights, tensors: Sequence[Tensor], dtype: torch.dtype, path: Path, advance: Callable[[int], None]
) -> Shard:
    with path.open("w+b", buffering=0) as file, ThreadPoolExecutor(1) as other_core, ThreadPoolExecutor(1) as disk:
        check = _ReadBack(file)
        checked, flushed = other_core.submit(_nothing), disk.submit(_nothing)
        for block in _blocks(weights, tensors, dtype, advance):
            _write_all(file, block)
            checked.result()
            checked = other_core.submit(check.compare, block)
            if flushed.done():
                flushed.result()
                flushed = disk.submit(os.fdatasync, file.fileno())
        checked.result()
        flushed.result()
    return Shard(path.name, check.digest.hexdigest(), check.total)


def _nothing() -> None:
    """What a thread has done before its first task."""


def _write_all(file: FileIO, block: torch.Tensor) -> None:
    left = block.view(torch.uint8).numpy().data
    while left:
        left = left[file.write(left[:_WRITE]) :]


class _ReadBack:
    """Hashes what the file gives back, which must be what was written."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._buffer = torch.empty(0, dtype=torch.uint8)
        self.digest, self.total = hashlib.sha256(), 0

    def compare(self, block: torch.Tensor) -> None:
        """The next block of the file."""
        if len(self._buffer) < block.nbytes:
            self._buffer = torch.empty(block.nbytes, dtype=torch.uint8)
        found = self._buffer[: block.nbytes]
        size = os.preadv(self._file.fileno(), [found.numpy().data], self.total)
        if size != block.nbytes or not torch.equal(found.view(block.dtype), block):
            fix = "check the disk, then merge again"
            raise UserError("does not give back what was written", where=str(self._file.name), fix=fix)
        self.digest.update(found.numpy().data)
        self.total += size


def _blocks(
    weights: Weights, tensors: Sequence[Tensor], dtype: torch.dtype, advance: Callable[[int], None]
) -> Iterator[torch.Tensor]:
    header = json.dumps(_header(tensors, dtype), separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    yield torch.frombuffer(bytearray(len(header).to_bytes(8, "little") + header), dtype=torch.uint8)
    for tensor in tensors:
        for chunk in chunks(weights, tensor.key):
            value = chunk.to(dtype)
            if not torch.isfinite(torch.stack(torch.aminmax(value))).all():  # NaN is smallest and largest at once
                fix = "merge an earlier step, or a wider --dtype"
                raise UserError(f"{tensor.key} holds NaN or infinity", fix=fix)
            yield value.view(_INTEGERS[dtype.itemsize])
            advance(len(value) * dtype.itemsize)


def _header(tensors: Sequence[Tensor], dtype: torch.dtype) -> Mapping[str, object]:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.size(dtype)
        header[tensor.saved] = {"dtype": _CODES[dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    return header
