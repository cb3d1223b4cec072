"""The merge stage: a checkpoint folder in, a model folder out."""

from pathlib import Path

from mmupt import console
from mmupt.config.merge import MergeConfig
from mmupt.types import JsonValue


def merge(config: MergeConfig) -> dict[str, JsonValue]:
    """Merge one checkpoint; returns the record that lies in the folder as mmupt_merge.json, with `out` added."""
    from mmupt.merging import hub
    from mmupt.merging.base import base_folder
    from mmupt.merging.merge import merge as work
    from mmupt.merging.request import request

    asked = request(config)
    other = base_folder(config.compare, with_weights=True)
    if config.push_to_hub is not None:
        hub.check(config.push_to_hub)
    newest = ", the newest step" if asked.found.chosen else ""
    console.say(f"{asked.found.folder}: {asked.kind.label}{newest}")
    record = asked.record()
    if record is not None:
        console.say(f"{asked.out}: this merge is done already")
    else:
        record = work(asked)
        console.say(f"{asked.out}: {record['parameters']} parameters in {record['dtype']}")
    if other is not None:
        _compare(asked.out, other)
    if config.push_to_hub is not None:
        address = hub.push(asked.out, config.push_to_hub, f"Merge of {record['source']}")
        console.say(f"{asked.out}: pushed to {address}")
    return {**record, "out": str(asked.out)}


def finished(config: MergeConfig) -> dict[str, JsonValue] | None:
    """The record of this merge where it is done; a folder that holds anything else is refused."""
    from mmupt.merging.request import request

    record = request(config).record()
    return record if config.push_to_hub is None else None  # what was pushed is known to the hub alone


def _compare(out: Path, other: Path) -> None:
    from mmupt.merging.compare import compare

    found = compare(out, other)
    rows = [
        (part, change.count, change.largest, change.mean, change.where or "-") for part, change in found.parts.items()
    ]
    console.table(f"change from {other}", ["part", "weights", "largest", "mean", "largest in"], rows)
    if found.logits is not None:
        largest, mean, same = found.logits
        told = f"largest {largest:.3g}, mean {mean:.3g}, the same likeliest token at {same:.1%} of the positions"
        console.say(f"change of the logits on a fixed picture and question: {told}")
