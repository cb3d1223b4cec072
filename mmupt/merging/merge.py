"""The way from a checkpoint to a model folder. The folder appears whole, by a rename, or not at all.

Bytes flow by an outline of the model while its class may still be asked for; what the class says decides.
"""

import fcntl
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from mmupt import console
from mmupt.disk import disk_errors, replace_folder, write_atomic
from mmupt.errors import UserError
from mmupt.merging.card import RECORD, card
from mmupt.merging.described import Question
from mmupt.merging.numbers import TYPES
from mmupt.merging.open import open_weights
from mmupt.merging.outline import Architecture, outline
from mmupt.merging.request import Request
from mmupt.merging.shards import Shard, Tensor, write_shards
from mmupt.merging.side_files import copy_side_files, read_config, write_config
from mmupt.merging.verify import check_files, plan
from mmupt.types import JsonValue


def merge(request: Request) -> dict[str, JsonValue]:
    """Write the folder. Returns the record that is kept in it."""
    with disk_errors(request.out), _aside(request.out) as scratch:
        record = _fill(scratch, request)
        replace_folder(scratch, request.out)
    return record


def _fill(scratch: Path, request: Request) -> dict[str, JsonValue]:
    origin = request.origin
    copy_side_files(request.side, request.base, scratch)
    with Question(request.config, origin.dtype) as question:
        tensors, shards = _weights(scratch, request, question)
        write_config(request.config, origin.dtype, scratch, nested=question.answer().nested)
    parameters = sum(math.prod(tensor.shape) for tensor in tensors)
    write_atomic(scratch / "README.md", card(origin, [(shard.name, shard.blake3) for shard in shards], parameters))
    record: dict[str, JsonValue] = {
        **asdict(origin),
        "parameters": parameters,
        "tensors": len(tensors),
        "shards": [asdict(shard) for shard in shards],
    }
    write_atomic(scratch / RECORD, json.dumps(record, indent=1) + "\n")
    return record


def _weights(scratch: Path, request: Request, question: Question) -> tuple[list[Tensor], list[Shard]]:
    believed = outline(read_config(request.config)) or question.answer().model
    try:
        written = _stream(scratch, request, believed)
    except UserError:
        if believed == question.answer().model:
            raise
    else:
        if believed == question.answer().model:
            return written
    return _stream(scratch, request, question.answer().model)


def _stream(scratch: Path, request: Request, model: Architecture) -> tuple[list[Tensor], list[Shard]]:
    for stale in scratch.glob("model*.safetensors*"):
        stale.unlink()
    weights = open_weights(request.found.folder, request.kind, model, request.base)
    tensors = plan(weights, model, str(request.found.folder))
    dtype = TYPES[request.origin.dtype]
    size = sum(tensor.size(dtype) for tensor in tensors)
    _has_room(scratch, size, request.out)
    with console.progress(size, "bytes merged") as progress:
        shards = write_shards(weights, tensors, dtype, scratch, request.shard_bytes, progress.advance)
    check_files(scratch, shards, tensors, dtype)
    return tensors, shards


def _has_room(scratch: Path, size: int, out: Path) -> None:
    free = shutil.disk_usage(scratch).free
    if free < size:
        told = f"the disk has {free / 1e6:,.0f} MB left, and the merged model needs {size / 1e6:,.0f} MB"
        raise UserError(told, where=str(out), fix="free some space, or name another folder with --out")


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """An empty folder next to `out`, locked by this process, gone at the end; what a killed merge left goes too."""
    scratch = out.with_name(f".{out.name}.partial")
    scratch.mkdir(parents=True, exist_ok=True)
    lock = os.open(scratch, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for entry in scratch.iterdir():
            entry.unlink()
        yield scratch
    except BlockingIOError:
        raise UserError("another merge is writing this folder", where=str(out), fix="wait for it") from None
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    finally:
        os.close(lock)
