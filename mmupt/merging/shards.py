"""`Weights` -> safetensors files, some megabytes in memory at a time; each byte follows from plan and weights.

A file's header is known from the plan, so it is written first. While a block is checked and hashed in one thread and
written in another, the next ones are made; the disk is kept busy all the while.
"""

import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
from blake3 import blake3

from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.merging.numbers import CODES, TYPES, Numbers, cast, finite
from mmupt.merging.weights import Weights, pieces

_WRITE = 1 << 19
"""Bytes of one write: ext4 takes larger ones three to five times as slowly where it finds no large pages for them."""
_WAITING = 4
"""Blocks that may wait to be checked and written."""
_CODE_OF = {TYPES[name]: code for code, name in CODES.items()}


@dataclass(frozen=True)
class Tensor:
    """One weight to be written."""

    key: str
    """Its name in `Weights`."""
    saved: str
    """Its name in the file."""
    shape: tuple[int, ...]

    def size(self, dtype: np.dtype[np.generic]) -> int:
        """Bytes on disk."""
        return math.prod(self.shape) * dtype.itemsize


@dataclass(frozen=True)
class Shard:
    """One file that was written."""

    name: str
    blake3: str
    bytes: int


def write_shards(
    weights: Weights,
    plan: Sequence[Tensor],
    dtype: np.dtype[np.generic],
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


def _split(plan: Sequence[Tensor], dtype: np.dtype[np.generic], limit: int) -> list[list[Tensor]]:
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
    weights: Weights,
    tensors: Sequence[Tensor],
    dtype: np.dtype[np.generic],
    path: Path,
    advance: Callable[[int], None],
) -> Shard:
    digest, size = blake3(), 0
    waiting: deque[Future[None]] = deque()
    with path.open("wb", buffering=0) as file, _thread() as checker, _thread() as writer, _thread() as disk:
        flushed = disk.submit(os.fdatasync, file.fileno())
        for name, block in _blocks(weights, tensors, dtype):
            waiting.append(checker.submit(_check, name, block, digest))
            waiting.append(writer.submit(_write_all, file, block))
            while len(waiting) > 2 * _WAITING:
                waiting.popleft().result()
            if flushed.done():
                flushed.result()
                flushed = disk.submit(os.fdatasync, file.fileno())
            size += block.nbytes
            advance(block.nbytes if name else 0)
        for each in (*waiting, flushed):
            each.result()
    return Shard(path.name, digest.hexdigest(), size)


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def _check(name: str, block: Numbers, digest: blake3) -> None:
    if name and not finite(block):
        raise UserError(f"{name} holds NaN or infinity", fix="merge an earlier step, or a wider --dtype")
    digest.update(block.view(np.uint8).data)


def _write_all(file: FileIO, block: Numbers) -> None:
    left = block.view(np.uint8).data
    while left:
        left = left[file.write(left[:_WRITE]) :]


def _blocks(weights: Weights, tensors: Sequence[Tensor], dtype: np.dtype[np.generic]) -> Iterator[tuple[str, Numbers]]:
    """The header, which has no name, then the weights in pieces."""
    header = json.dumps(_header(tensors, dtype), separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    yield "", np.frombuffer(len(header).to_bytes(8, "little") + header, np.uint8)
    for tensor in tensors:
        for piece in pieces(weights, tensor.key):
            yield tensor.key, np.ascontiguousarray(cast(piece, dtype))


def _header(tensors: Sequence[Tensor], dtype: np.dtype[np.generic]) -> Mapping[str, object]:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.size(dtype)
        header[tensor.saved] = {"dtype": _CODE_OF[dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    return header
