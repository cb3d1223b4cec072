"""The merge stage: a checkpoint folder in, a model folder out."""

from mmupt import console
from mmupt.config.merge import MergeConfig
from mmupt.types import JsonValue


def merge(config: MergeConfig) -> dict[str, JsonValue]:
    """Merge one checkpoint; returns the record that lies in the folder as mmupt_merge.json, with `out` added."""
    from mmupt.merging.request import request

    asked = request(config)
    newest = ", the newest step" if asked.found.chosen else ""
    console.say(f"{asked.found.folder}: {asked.kind.label}{newest}")
    record = asked.record()
    if record is not None:
        console.say(f"{asked.out}: this merge is done already")
    else:
        from mmupt.merging.merge import merge as work

        record = work(asked)
        console.say(f"{asked.out}: {record['parameters']} parameters in {record['dtype']}")
    return {**record, "out": str(asked.out)}


def finished(config: MergeConfig) -> dict[str, JsonValue] | None:
    """The record of this merge where it is done; a folder that holds anything else is refused."""
    from mmupt.merging.request import request

    return request(config).record()
