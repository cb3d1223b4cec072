"""The way from a checkpoint to a model folder. The folder appears whole, by a rename, or not at all."""

import fcntl
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mmupt import console
from mmupt.disk import disk_errors, replace_folder, write_atomic
from mmupt.errors import UserError
from mmupt.merging.architecture import architecture
from mmupt.merging.card import RECORD, Provenance, card, provenance
from mmupt.merging.find import Found
from mmupt.merging.open import base_folder, open_weights
from mmupt.merging.recognise import Recognised
from mmupt.merging.shards import DTYPES, write_shards
from mmupt.merging.side_files import config_dtype, config_folder, copy_side_files, write_config
from mmupt.merging.verify import check_files, plan
from mmupt.types import JsonValue


@dataclass(frozen=True)
class Source:
    """A checkpoint and what it needs from elsewhere."""

    found: Found
    kind: Recognised
    base: str | None
    """The model that the checkpoint was trained from: a folder, a hub id or "tiny"."""


def merge(source: Source, out: Path, dtype: str, limit: int) -> dict[str, JsonValue]:
    """Write the folder, or find that this very merge is there. Returns the record that is kept in the folder."""
    base = base_folder(source.base, with_weights=source.kind.kind == "adapter")
    config = config_folder(source.found.folder, base)
    chosen = config_dtype(config) if dtype == "auto" else dtype
    if chosen not in DTYPES:
        raise UserError(f"cannot write weights as {chosen}", where=str(config), fix="add --set dtype=bfloat16")
    files = [*source.kind.model_files, *source.kind.optim_files]
    origin = provenance(source.found, source.kind.label, files, chosen, limit, source.base)
    if (there := _record(out, origin)) is not None:
        console.say(f"{out}: this merge is done already")
        return there
    with disk_errors(out), _aside(out) as scratch:
        record = _fill(scratch, source, config, base, origin, limit)
        replace_folder(scratch, out)
    return record


def _fill(
    scratch: Path, source: Source, config: Path, base: Path | None, origin: Provenance, limit: int
) -> dict[str, JsonValue]:
    folder = source.found.folder
    copy_side_files(folder, base, scratch)
    write_config(config, origin.dtype, scratch)
    model = architecture(scratch)
    weights = open_weights(folder, source.kind, model, base)
    tensors = plan(weights, model, str(folder))
    total = sum(tensor.size(DTYPES[origin.dtype]) for tensor in tensors)
    with console.progress(total, "bytes merged") as progress:
        shards = write_shards(weights, tensors, DTYPES[origin.dtype], scratch, limit, progress.advance)
    check_files(scratch, shards, tensors)
    parameters = sum(math.prod(tensor.shape) for tensor in tensors)
    write_atomic(scratch / "README.md", card(origin, [(shard.name, shard.sha256) for shard in shards], parameters))
    record: dict[str, JsonValue] = {
        **asdict(origin),
        "parameters": parameters,
        "tensors": len(tensors),
        "shards": [asdict(shard) for shard in shards],
    }
    write_atomic(scratch / RECORD, json.dumps(record, indent=1) + "\n")
    return record


def _record(out: Path, origin: Provenance) -> dict[str, JsonValue] | None:
    """The record of the same merge at `out`; None where there is nothing; anything else there is refused."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    fix = "name another folder with --out, or delete this one"
    try:
        record: dict[str, JsonValue] = json.loads((out / RECORD).read_bytes())
    except (OSError, ValueError):
        raise UserError("is there already, and is no merge of mmupt's", where=str(out), fix=fix) from None
    if record.get("contents") != origin.contents:
        raise UserError(f"holds another merge, of {record.get('source')}", where=str(out), fix=fix)
    return record


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
