"""How many parameters a model folder holds, read from its files without loading them."""

import json
import struct
from math import prod
from pathlib import Path

from mmupt.errors import UserError

SMALL = 50_000_000
"""Below this many parameters threads and schedulers cost more on a CPU than they save: one thread is fastest."""


def count_parameters(model: str) -> int | None:
    """Parameters in the folder's safetensors files; None where there are none (a hub id, another format)."""
    files = sorted(Path(model).glob("*.safetensors"))
    return sum(_in_file(file) for file in files) if files else None


def is_small(model: str) -> bool:
    """Whether the model is known to be small."""
    parameters = count_parameters(model)
    return parameters is not None and parameters < SMALL


def _in_file(file: Path) -> int:
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (struct.error, ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise UserError("holds no weights that can be read", where=str(file), fix="copy it anew") from error
