"""The merge stage: a checkpoint folder in, a model folder out."""

from pathlib import Path

from mmupt import console
from mmupt.config.merge import MergeConfig
from mmupt.errors import UserError
from mmupt.merging.find import Found, find
from mmupt.merging.recognise import recognise
from mmupt.types import JsonValue


def merge(config: MergeConfig) -> dict[str, JsonValue]:
    """Merge one checkpoint; returns the record that lies in the folder as mmupt_merge.json, with `out` added."""
    found = find(config.checkpoint)
    kind = recognise(found.names, found.state, str(found.folder))
    out = config.out or _beside(found)
    if found.folder.resolve().is_relative_to(out.resolve()):
        raise UserError("would replace the checkpoint itself", where=str(out), fix="name another folder with --out")
    console.say(f"{found.folder}: {kind.label}{', the newest step' if found.chosen else ''}")
    from mmupt.merging.merge import Source
    from mmupt.merging.merge import merge as merge_source

    base = config.base or (found.state.model if found.state is not None else None)
    record = merge_source(Source(found, kind, base), out, config.dtype, int(config.shard_gb * 1e9))
    console.say(f"{out}: {record['parameters']:,} parameters in {record['dtype']}")
    return {**record, "out": str(out)}


def _beside(found: Found) -> Path:
    folder = found.folder.resolve()
    if found.state is not None and folder.parent.name == "checkpoints":
        return folder.parent.parent / "merged" / folder.name
    return folder.with_name(f"{folder.name}-merged")
