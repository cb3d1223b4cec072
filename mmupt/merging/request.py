"""What is to be merged, from where to where, and whether that is done already. Needs no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from mmupt.config.merge import MergeConfig
from mmupt.errors import UserError
from mmupt.merging.base import base_folder
from mmupt.merging.card import RECORD, Provenance, provenance
from mmupt.merging.find import Found, find
from mmupt.merging.recognise import Recognised, recognise
from mmupt.merging.side_files import config_dtype, config_folder
from mmupt.merging.zero_stage import told_stage
from mmupt.types import JsonValue

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Request:
    """One merge, with everything decided."""

    found: Found
    kind: Recognised
    base: Path | None
    """The model that the checkpoint was trained from, where it is at hand."""
    side: Path
    """The checkpoint's folder of tokenizer, processor and config."""
    config: Path
    """The folder whose config.json describes the result."""
    out: Path
    shard_bytes: int
    origin: Provenance

    def record(self) -> dict[str, JsonValue] | None:
        """The record of this very merge at `out`; None where there is nothing; anything else there is refused."""
        out, fix = self.out, "name another folder with --out, or delete this one"
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return None
        try:
            record: dict[str, JsonValue] = json.loads((out / RECORD).read_bytes())
        except (OSError, ValueError):
            raise UserError("is there already, and is no merge of mmupt's", where=str(out), fix=fix) from None
        if record.get("contents") != self.origin.contents:
            raise UserError(f"holds another merge, of {record.get('source')}", where=str(out), fix=fix)
        return record


def request(settings: MergeConfig) -> Request:
    """Look at the checkpoint's files, not into them; what cannot be merged is refused."""
    found = find(settings.checkpoint)
    kind = recognise(found.names, found.state, str(found.folder), lambda name: told_stage(found.folder / name))
    out = settings.out or _beside(found)
    if found.folder.resolve().is_relative_to(out.resolve()):
        raise UserError("would replace the checkpoint itself", where=str(out), fix="name another folder with --out")
    name = settings.base or (found.state.model if found.state is not None else None)
    base = base_folder(name, with_weights=kind.kind == "adapter")
    side = _side(found.folder, kind)
    config = config_folder(side, base)
    dtype = config_dtype(config) if settings.dtype == "auto" else settings.dtype
    if dtype not in DTYPES:
        raise UserError(f"cannot write weights as {dtype}", where=str(config), fix="add --dtype bfloat16")
    shard_bytes = int(settings.shard_gb * 1e9)
    files = [*kind.model_files, *kind.optim_files]
    origin = provenance(found, kind.label, files, dtype, shard_bytes, name)
    return Request(found, kind, base, side, config, out, shard_bytes, origin)


def _side(folder: Path, kind: Recognised) -> Path:
    """DeepSpeed's folder of one step stands in one that a trainer has filled with config and tokenizer."""
    above = [folder.parent] if (folder.parent / "latest").is_file() else []
    places = [folder / kind.side, folder, *above]
    return next((place for place in places if (place / "config.json").is_file()), folder)


def _beside(found: Found) -> Path:
    folder = found.folder.resolve()
    if found.state is not None and folder.parent.name == "checkpoints":
        return folder.parent.parent / "merged" / folder.name
    return folder.with_name(f"{folder.name}-merged")
