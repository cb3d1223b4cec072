"""The training stage: settings in, a run directory with checkpoints out. It wires and starts; all the work is done in `training`.

Under a launcher (WORLD_SIZE above 1) this process is one rank of many. Without one, `ranks` above 1 makes it start them itself and wait.
"""

import os
from pathlib import Path

from mmupt.config.train import TrainConfig
from mmupt.rundir import RunDir
from mmupt.training.groups import BatchShape
from mmupt.types import JsonValue


def train(config: TrainConfig) -> dict[str, JsonValue]:
    """Train, or go on where a killed attempt stopped; the result names the last checkpoint."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    BatchShape(
        config.problems_per_step,
        config.group_size,
        config.updates_per_step,
        world if world > 1 else config.ranks,
        config.update.micro_batch_size,
    )
    return _alone(config)


def _alone(config: TrainConfig) -> dict[str, JsonValue]:
    run = RunDir.open(Path(config.out), "train", config)
    try:
        if run.done:
            return run.result()
        from mmupt.training import loop

        loop.train(config, run.path, run)
        result = _result(run)
        run.finish(result)
        return result
    finally:
        run.close()


def _result(run: RunDir) -> dict[str, JsonValue]:
    """Told from the files alone, so that a run that was killed after its last step tells the same."""
    from mmupt.training import checkpoint

    rows = run.jsonl("metrics").read()
    last = checkpoint.latest(run.path / "checkpoints")
    return {
        "checkpoint": None if last is None else str(last.relative_to(run.path)),
        "steps": len(rows),
        "groups_trained": sum(int(row["groups_trained"]) for row in rows),
        "groups_skipped": sum(int(row["groups_skipped"]) for row in rows),
        "first_reward": rows[0]["reward"],
        "last_reward": rows[-1]["reward"],
    }
