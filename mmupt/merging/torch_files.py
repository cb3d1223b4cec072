"""Files that `torch.save` wrote, read without running anything that they ask for.

torch's weights-only unpickler builds tensors and plain containers. The few classes of other libraries that DeepSpeed
stores beside them (loss scaler, enums, numbers of numpy) become `Inert` stand-ins: their modules are never imported.
Any other name is refused.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from mmupt.errors import UserError

T = TypeVar("T")
_STAND_INS = re.compile(r"deepspeed(\.\w+)+|argparse\.Namespace|numpy(\.\w+)*\.(scalar|_reconstruct|dtype|ndarray)")


class Inert:
    """Takes the place of an object whose class is not wanted; keeps its arguments and does nothing."""

    def __init__(self, *args: object) -> None:
        self.args = args

    def __setstate__(self, state: object) -> None:
        pass


def load(path: Path) -> dict[str, object]:
    """The dictionary in a torch file, tensors memory-mapped; a broken file or one that asks for more is a UserError."""
    try:
        asked = sorted(get_unsafe_globals_in_checkpoint(path))
        refused = [name for name in asked if not _STAND_INS.fullmatch(name)]
        if refused:
            raise UserError(
                f"asks for {refused[0]} when it is loaded; only tensors and plain containers are read",
                where=str(path),
                fix="do not trust this file",
            )
        with safe_globals([(Inert, name) for name in asked]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UserError:
        raise
    except Exception as error:  # torch raises half a dozen types here, pickle and zip errors among them
        raise UserError(
            f"cannot be read: {_first_line(error)}", where=str(path), fix="the file is damaged or truncated"
        ) from error
    if not isinstance(content, dict):
        raise UserError("holds no dictionary", where=str(path))
    return content


def entry(content: Mapping[str, object], key: str, kind: type[T], path: Path) -> T:
    """One entry, of the type that it must have."""
    value = content.get(key)
    if not isinstance(value, kind):
        raise UserError(f"its entry {key!r} is {type(value).__name__}, not {kind.__name__}", where=str(path))
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
