"""TensorBoard event files under `<run>/tensorboard`."""

from collections.abc import Mapping
from pathlib import Path

from mmupt.training.trackers import TrackedRun
from mmupt.types import JsonValue

EXTRA = "tensorboard"


class TensorBoard:
    """One writer. It hides what a killed attempt logged behind the last checkpoint, also where there was none yet."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.known = step
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        # A step whose checkpoint is there is not logged again: it has to be in the file before.
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def open_run(run: TrackedRun, config: Mapping[str, JsonValue]) -> TensorBoard:
    return TensorBoard(run.folder, run.step)
