"""`Weights` -> safetensors files, some megabytes in memory at a time; each byte is a function of the weights alone.

A file's header is known from the plan, so it is written first, and the file is hashed while it is written.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.merging.weights import DTYPES, Weights, chunks

_CODES = {dtype: code for code, dtype in DTYPES.items()}


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
    digest, total = hashlib.sha256(), 0
    with path.open("wb") as file, ThreadPoolExecutor(1) as other_core:
        for block in _blocks(weights, tensors, dtype, advance):
            hashed = other_core.submit(digest.update, block)
            file.write(block)
            total += len(block)
            hashed.result()
    return Shard(path.name, digest.hexdigest(), total)


def _blocks(
    weights: Weights, tensors: Sequence[Tensor], dtype: torch.dtype, advance: Callable[[int], None]
) -> Iterator[bytes | memoryview]:
    header = json.dumps(_header(tensors, dtype), separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    yield len(header).to_bytes(8, "little") + header
    for tensor in tensors:
        for chunk in chunks(weights, tensor.key):
            value = chunk.to(dtype)
            if not torch.isfinite(torch.stack(torch.aminmax(value))).all():  # NaN is smallest and largest at once
                fix = "merge an earlier step, or a wider --dtype"
                raise UserError(f"{tensor.key} holds NaN or infinity", fix=fix)
            yield value.view(torch.uint8).numpy().data
            advance(len(value) * dtype.itemsize)


def _header(tensors: Sequence[Tensor], dtype: torch.dtype) -> Mapping[str, object]:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.size(dtype)
        header[tensor.saved] = {"dtype": _CODES[dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    return header
