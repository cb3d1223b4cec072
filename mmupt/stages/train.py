"""The training stage: settings in, a run directory with checkpoints out. It wires and starts; all the work is done in
`training`.

Under a launcher (which sets WORLD_SIZE) this process is one rank of many. Without one it starts its ranks itself, one
for each GPU unless `ranks` says otherwise, and waits; a single rank is this process.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmupt import launch
from mmupt.config import to_dict
from mmupt.config.train import TrainConfig
from mmupt.environment.gpus import visible_gpus
from mmupt.errors import UserError
from mmupt.lifeline import die_with_parent
from mmupt.rundir import RunDir
from mmupt.stages import collapse
from mmupt.stages.ranks import run_ranks
from mmupt.training.groups import BatchShape
from mmupt.types import JsonValue

LAUNCHED = "MMUPT_LAUNCHED"
"""Set for ranks that this stage started: the run directory is open and locked in the process that waits for them."""


def train(config: TrainConfig) -> dict[str, JsonValue]:
    """Train, or go on where a killed attempt stopped; the result names the last checkpoint."""
    launched = "WORLD_SIZE" in os.environ
    ranks = int(os.environ["WORLD_SIZE"]) if launched else ranks_here(config)
    check(config, ranks)
    if LAUNCHED in os.environ:
        return _rank_of_ours(config)
    if launched and int(os.environ.get("RANK", "0")) > 0:
        return _other_rank(config)
    if not (Path(config.out) / "done.json").exists():
        from mmupt.training.preflight import refuse_mistakes

        refuse_mistakes(config)
    run = RunDir.open(Path(config.out), "train", config)
    try:
        if run.done:
            return run.result()
        alarm = collapse.verdict(config, run.path)
        if alarm is None:
            _train(config, run, start=0 if launched else ranks)
            alarm = collapse.verdict(config, run.path)
        result = _result(config, run, None if alarm is None else collapse.end(config, run.path, alarm))
        run.finish(result)
        return result
    finally:
        run.close()


def _train(config: TrainConfig, run: RunDir, start: int) -> None:
    """`start`: ranks that this stage has to start itself; a single one is this process."""
    if start > 1:
        _start_ranks(config, start)
        return
    from mmupt.training import loop

    loop.train(config, run.path, run)


def ranks_here(config: TrainConfig) -> int:
    """Ranks of a run that no launcher starts."""
    if config.ranks is not None:
        return config.ranks
    alone = config.deepspeed == "none" or config.device == "cpu"
    return 1 if alone else max(1, visible_gpus())


def check(config: TrainConfig, ranks: int) -> BatchShape:
    """Refuse a shape that cannot be trained; reads nothing but the settings."""
    if config.deepspeed == "none" and ranks > 1:
        fix = "set deepspeed to zero2, or ranks to 1"
        raise UserError(f"plain torch trains in one process, not in {ranks}", where="deepspeed", fix=fix)
    shape = (
        config.problems_per_step,
        config.group_size,
        config.updates_per_step,
        ranks,
        config.update.micro_batch_size,
    )
    return BatchShape(*shape)


def as_sets(settings: Mapping[str, JsonValue], prefix: str = "") -> Iterator[str]:
    """The settings as `--set` arguments."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from as_sets(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={json.dumps(value, ensure_ascii=False)}"


def _start_ranks(config: TrainConfig, ranks: int) -> None:
    gpus = 0 if config.device == "cpu" else visible_gpus()
    if 0 < gpus < ranks:
        raise UserError(f"{ranks} ranks, and {gpus} GPUs are visible here", where="ranks", fix="set ranks to null")
    sets = [word for each in as_sets(to_dict(config)) for word in ("--set", each)]
    command = launch.command(["train", *sets], launch.World(processes=ranks))
    environment = os.environ | {LAUNCHED: "1"}
    run_ranks(command, environment)


def _rank_of_ours(config: TrainConfig) -> dict[str, JsonValue]:
    die_with_parent()
    from mmupt.training import loop

    folder = Path(config.out)
    loop.train(config, folder, RunDir(folder, "train", lock=-1) if os.environ["RANK"] == "0" else None)
    return {}


def _other_rank(config: TrainConfig) -> dict[str, JsonValue]:
    from mmupt.training import loop

    folder = Path(config.out)
    if (folder / "done.json").exists() or collapse.verdict(config, folder) is not None:
        return {}
    loop.train(config, folder, None)
    return {}


def _result(config: TrainConfig, run: RunDir, rolled_back_to: int | None) -> dict[str, JsonValue]:
    """Told from the files alone, so that a run that was killed after its last step tells the same."""
    from mmupt.training import checkpoint

    alarm = collapse.first(config, run.path)
    rows = run.jsonl("metrics").read()[:rolled_back_to]
    last = checkpoint.latest(run.path / "checkpoints")
    return {
        "checkpoint": None if last is None else str(last.relative_to(run.path)),
        "steps": len(rows),
        "groups_trained": _total(rows, "groups_trained"),
        "groups_skipped": _total(rows, "groups_skipped"),
        "first_reward": rows[0]["reward"],
        "last_reward": rows[-1]["reward"],
        "collapse": None if alarm is None else {"step": alarm.step, "signal": alarm.alarm},
    }


def _total(rows: Sequence[Mapping[str, JsonValue]], name: str) -> int:
    return sum(count for row in rows if isinstance(count := row[name], int))
