"""Trackio, the Hub's local tracker; a resumed run goes on under the same name."""

from collections.abc import Mapping
from pathlib import Path

from mmupt.types import JsonValue

EXTRA = "trackio"


class Trackio:
    def __init__(self, name: str, config: Mapping[str, JsonValue]) -> None:
        import trackio

        self._run = trackio.init(project="mmupt", name=name, config=dict(config), resume="allow")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


def open_run(folder: Path, name: str, config: Mapping[str, JsonValue], step: int) -> Trackio:
    return Trackio(name, config)
