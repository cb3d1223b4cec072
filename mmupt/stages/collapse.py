"""What a training run makes of its guard's alarm, from its files alone: nothing, the end, or the way back.

stop      exit code 3 and no done.json: the same command says the same again, `--on-collapse` with another word goes on
rollback  checkpoints after the last good one are deleted, and the run is done with that one; without one, as stop
ignore    the run goes on from its last checkpoint, step for step as if it had never stopped
"""

from pathlib import Path

from mmupt.config.train import TrainConfig
from mmupt.errors import CollapseError
from mmupt.rundir import JsonlLog
from mmupt.training import checkpoint
from mmupt.training.guard import Reading, first_alarm, last_good, readings
from mmupt.training.observation import Observation
from mmupt.training.watch import FILE, sentence, tell


def first(config: TrainConfig, folder: Path) -> Reading | None:
    """The first alarm of what was trained so far."""
    return first_alarm(_readings(config, folder))


def verdict(config: TrainConfig, folder: Path) -> Reading | None:
    """The alarm that ends the run; always None under `ignore`."""
    return None if config.guard.on_collapse == "ignore" else first(config, folder)


def end(config: TrainConfig, folder: Path, alarm: Reading) -> int:
    """The step of the checkpoint that the run ends with, or `CollapseError` where it ends without."""
    root = folder / "checkpoints"
    good = last_good(_readings(config, folder), checkpoint.saved_steps(root))
    if not (folder / FILE).exists():  # killed after the step was logged, and before the alarm was told
        tell(folder, alarm, good)
    if config.guard.on_collapse == "rollback" and good is not None:
        for path in checkpoint.step_folders(root):
            if path != root / f"step-{good}":
                checkpoint.discard(path)
        return good
    kept = f"{root}/step-{good} is the last good checkpoint" if good is not None else _NONE
    ways = "--on-collapse ignore goes on" + (", --on-collapse rollback ends with it" if good is not None else "")
    raise CollapseError(f"{folder}: stopped at step {alarm.step}; {sentence(alarm)}; {kept}; {ways}; see docs/guard.md")


def _readings(config: TrainConfig, folder: Path) -> list[Reading]:
    rows = JsonlLog(folder / "guard.jsonl").read()
    return readings([Observation.of(row) for row in rows], config.guard)


_NONE = "no checkpoint of this run is good, keep the model that it began with"
