"""Trackio, the Hub's local tracker; a resumed run goes on in the same one."""

from collections.abc import Mapping

from mmupt.training.trackers import TrackedRun
from mmupt.types import JsonValue

EXTRA = "trackio"
PROJECT = "mmupt"


class Trackio:
    """Trackio knows a run by its name alone, so the identity is a part of it."""

    def __init__(self, run: TrackedRun, config: Mapping[str, JsonValue]) -> None:
        import trackio
        from trackio.sqlite_storage import SQLiteStorage

        name = f"{run.name}-{run.identity[:6]}"
        # What was logged is sent by a thread, and lost with it: the last steps may be missing.
        self.known: int = SQLiteStorage.get_max_step_for_run(PROJECT, name) or 0
        self._run = trackio.init(project=PROJECT, name=name, config=dict(config), resume="allow", embed=False)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


def open_run(run: TrackedRun, config: Mapping[str, JsonValue]) -> Trackio:
    return Trackio(run, config)
