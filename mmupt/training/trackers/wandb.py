"""Weights & Biases; the run is named after the run folder, and a resumed run goes on in the same one."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from mmupt.types import JsonValue

EXTRA = "wandb"


class Wandb:
    def __init__(self, folder: Path, name: str, config: Mapping[str, JsonValue]) -> None:
        import wandb

        identity = sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        self._run = wandb.init(
            project="mmupt", name=name, id=identity, resume="allow", dir=str(folder), config=dict(config)
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


def open_run(folder: Path, name: str, config: Mapping[str, JsonValue], step: int) -> Wandb:
    return Wandb(folder, name, config)
