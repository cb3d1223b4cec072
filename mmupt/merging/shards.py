"""`Weights` -> safetensors files, some megabytes in memory at a time; each byte is a function of the weights alone.

A file's header is known from the plan, so it is written first. Every block is read back and compared, and hashed while
the next one is made; the disk is kept busy all the while.
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
from mmupt.merging.stored import Stored
from mmupt.merging.weights import DTYPES, Weights, chunks

_WRITE = 1 << 19
"""Bytes of one write: ext4 takes larger ones three to five times as slowly where it finds no large pages for them."""
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
    digest, size = hashlib.sha256(), 0
    with path.open("wb", buffering=0) as file, ThreadPoolExecutor(1) as other_core, ThreadPoolExecutor(1) as disk:
        hashed, flushed = other_core.submit(_nothing), disk.submit(_nothing)
        for block in _blocks(weights, tensors, dtype, advance):
            _write_all(file, block)
            found = _read_back(path, size, block)
            size += found.nbytes
            hashed.result()
            hashed = other_core.submit(digest.update, found.numpy().data)
            if flushed.done():
                flushed.result()
                flushed = disk.submit(os.fdatasync, file.fileno())
        hashed.result()
        flushed.result()
    return Shard(path.name, digest.hexdigest(), size)


def _nothing() -> None:
    """What a thread has done before its first task."""


def _write_all(file: FileIO, block: torch.Tensor) -> None:
    left = block.view(torch.uint8).numpy().data
    while left:
        left = left[file.write(left[:_WRITE]) :]


def _read_back(path: Path, start: int, block: torch.Tensor) -> torch.Tensor:
    """What the file gives back at this place, which must be what was written."""
    found = Stored(path, start, block.dtype, tuple(block.shape), (1,)).read()
    if not torch.equal(found, block):
        fix = "check the disk, then merge again"
        raise UserError("does not give back what was written", where=str(path), fix=fix)
    return found


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
