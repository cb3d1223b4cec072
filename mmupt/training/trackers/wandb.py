"""Weights & Biases; the run is named after the run folder, and a resumed run goes on in the same one.

Offline, where nothing can be gone on with, each attempt writes the whole run anew, and only the last one's folder is
left to be synced.
"""

import shutil
from collections.abc import Mapping

from mmupt.training.trackers import TrackedRun
from mmupt.types import JsonValue

EXTRA = "wandb"


class Wandb:
    """One attempt in the run of this identity."""

    def __init__(self, run: TrackedRun, config: Mapping[str, JsonValue]) -> None:
        import wandb

        earlier = list((run.folder / "wandb").glob(f"offline-run-*-{run.identity}*"))
        self._run = wandb.init(
            project="mmupt",
            name=run.name,
            id=run.identity,
            resume="allow",
            dir=str(run.folder),
            config=dict(config),
        )
        self.known = self._run.starting_step - 1 if self._run.starting_step else 0
        for folder in earlier if self._run.offline else ():
            shutil.rmtree(folder, ignore_errors=True)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step, commit=True)

    def close(self) -> None:
        self._run.finish()


def open_run(run: TrackedRun, config: Mapping[str, JsonValue]) -> Wandb:
    return Wandb(run, config)
