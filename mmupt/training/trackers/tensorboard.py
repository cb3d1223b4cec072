"""TensorBoard event files under `<run>/tensorboard`."""

from collections.abc import Mapping
from pathlib import Path

from mmupt.types import JsonValue

EXTRA = "tensorboard"


class TensorBoard:
    """One writer; steps that a killed attempt logged behind its last checkpoint are hidden."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


def open_run(folder: Path, name: str, config: Mapping[str, JsonValue], step: int) -> TensorBoard:
    return TensorBoard(folder, step)
