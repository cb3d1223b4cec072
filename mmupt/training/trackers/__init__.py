"""Where metrics are sent besides metrics.jsonl: one service a file, imported only when it is asked for.

Each module defines `open(folder, name, config, step) -> Tracker`; `step` is the number of steps that a resumed run has
behind it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mmupt import registry
from mmupt.errors import UserError
from mmupt.types import JsonValue


class Tracker(Protocol):
    """One open run of a tracking service."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """The numbers of one step."""

    def close(self) -> None:
        """Send what is left."""


def start(name: str, folder: Path, config: Mapping[str, JsonValue], step: int) -> Tracker:
    """The tracker called `name`; a missing package is a `UserError` that names the extra."""
    module = registry.load(__name__, name, "open_run")
    try:
        tracker: Tracker = module.open_run(folder, folder.name, config, step)
    except ImportError as error:
        fix = f"pip install 'mmupt[{module.EXTRA}]', or leave tracker out"
        raise UserError(f"the package {error.name!r} is not installed", where=f"tracker {name}", fix=fix) from error
    return tracker
