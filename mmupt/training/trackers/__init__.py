"""Where metrics are sent besides metrics.jsonl: one service a file, imported only when it is asked for.

Each module defines `open_run(run, config) -> Tracker`. A service gets every step once, however often the run is
killed: what it missed is sent again from the logs, and what it already holds is not, because a step that is done again
has the same numbers.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmupt import registry
from mmupt.errors import UserError
from mmupt.types import JsonValue

Row = tuple[int, Mapping[str, float]]
"""A step, counted from 1, and its numbers."""


@dataclass(frozen=True)
class TrackedRun:
    """Which run is tracked."""

    folder: Path
    identity: str
    """The same for all attempts of a run, and another for a run that was started anew in the same folder."""
    step: int
    """Steps that it has behind it."""

    @property
    def name(self) -> str:
        return self.folder.name


class Tracker(Protocol):
    """One open run of a tracking service."""

    @property
    def known(self) -> int:
        """The last step that the service held when this was opened; 0: none."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """The numbers of one step."""

    def close(self) -> None:
        """Send what is left."""


class Continued:
    """A tracker that is told of each step once."""

    def __init__(self, tracker: Tracker, rows: Sequence[Row]) -> None:
        self._tracker, self._known = tracker, tracker.known
        for row in rows:
            self.log(*row)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker.log`."""
        if step > self._known:
            self._tracker.log(step, metrics)

    def close(self) -> None:
        """See `Tracker.close`."""
        self._tracker.close()


def start(name: str, folder: Path, config: Mapping[str, JsonValue], rows: Sequence[Row]) -> Continued:
    """The tracker called `name`, for a run that has `rows` behind it; a missing package is a `UserError` that names the
    extra."""
    module = registry.load(__name__, name, "open_run")
    try:
        tracker: Tracker = module.open_run(TrackedRun(folder, _identity(folder), len(rows)), config)
    except ImportError as error:
        fix = f"pip install 'mmupt[{module.EXTRA}]', or leave tracker out"
        raise UserError(f"the package {error.name!r} is not installed", where=f"tracker {name}", fix=fix) from error
    return Continued(tracker, rows)


def _identity(folder: Path) -> str:
    with (folder / "attempts.jsonl").open("rb") as attempts:
        first = attempts.readline()
    return hashlib.sha256(str(folder.resolve()).encode() + first).hexdigest()[:16]
