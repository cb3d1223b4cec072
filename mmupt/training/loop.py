"""The run: resume, step, log, save, until the last step. Files are written by the first rank; checkpoints by all.

A checkpoint stands between two steps, never inside one. After a kill the run goes on from its last whole checkpoint:
weights and optimiser from its files, everything else from the step's number, logs cut back to the sizes noted in it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mmupt import console, rundir
from mmupt.config import to_dict
from mmupt.config.train import TrainConfig
from mmupt.errors import UserError
from mmupt.rundir import RunDir
from mmupt.training import checkpoint, distributed
from mmupt.training.assembly import assemble, prepare_device
from mmupt.training.audit import Audit
from mmupt.training.checkpoint import LoraShape, State
from mmupt.training.groups import BatchShape
from mmupt.training.guard import last_good, readings
from mmupt.training.logs import TrainingLogs, numbers_of
from mmupt.training.observation import observed
from mmupt.training.trackers import Continued, start
from mmupt.training.trainer import StepOutcome, Trainer
from mmupt.training.watch import Watch
from mmupt.types import JsonValue

SAMPLER_GAP_LIMIT = 0.05
"""Mean |log-prob difference| between sampler and trainer from which on a run is told of it."""


def train(config: TrainConfig, folder: Path, run: RunDir | None) -> None:
    """Train to the end. `run` is the open run directory on the first rank, None on the others."""
    device = prepare_device(config)
    ranks = distributed.start(device, deepspeed=config.deepspeed != "none")
    shape = BatchShape(
        config.problems_per_step,
        config.group_size,
        config.updates_per_step,
        ranks.size,
        config.update.micro_batch_size,
    )
    trainer = assemble(config, shape, ranks, device)
    logs = TrainingLogs(run) if run is not None else None
    _agree_on_data(folder, trainer, logs)
    done = _resume(folder / "checkpoints", trainer, logs)
    seen = ranks.gather(logs.observations() if logs is not None else [])[0]
    try:
        _steps(folder, trainer, logs, done, Watch(config.guard, folder, seen, first=logs is not None))
    finally:
        trainer.source.close()


def _steps(folder: Path, trainer: Trainer, logs: TrainingLogs | None, done: int, watch: Watch) -> None:
    config, total = trainer.config, trainer.total_steps
    audit = Audit.of(config.data) if config.audit and logs is not None else None
    tracked = config.tracker if logs is not None else None
    tracker = start(tracked, folder, to_dict(config), logs.numbers()) if tracked and logs is not None else None
    with console.progress(total, "training", done=done) as progress:
        for step in range(done, total):
            began = time.monotonic()
            outcome = trainer.step(step)
            finished = step + 1
            seen = observed(finished, outcome.records, outcome.metrics)
            if logs is not None:
                _log(logs, outcome, finished, audit, tracker)
                logs.append("guard.jsonl", [seen.row()])
            if watch.collapsed(seen):
                break
            if finished == total or finished % config.save.every == 0:
                save(folder / "checkpoints", trainer, logs, finished, watch.good)
            if logs is not None:
                logs.append("timings.jsonl", [{"step": finished, "seconds": round(time.monotonic() - began, 3)}])
            progress.advance(1, _note(outcome))
    if tracker is not None:
        tracker.close()


def _log(logs: TrainingLogs, outcome: StepOutcome, step: int, audit: Audit | None, tracker: Continued | None) -> None:
    row: dict[str, JsonValue] = {"step": step, **outcome.metrics}
    logs.append("rollouts.jsonl", (line for record in outcome.records for line in record.rows(step)))
    logs.append("metrics.jsonl", [row])
    found = {} if audit is None else audit.measure(outcome.records)
    if audit is not None:
        logs.append("audit.jsonl", [{"step": step, **found}])
    if tracker is not None:
        tracker.log(step, numbers_of(row | found))
    gap = outcome.metrics["sampler_gap"]
    if gap is not None and gap > SAMPLER_GAP_LIMIT:
        told = f"sampler and trainer differ by {gap:.3f} in mean log-prob"
        console.warn(f"step {step}: {told}; their prompts or weights may not be the same")


def save(
    root: Path, trainer: Trainer, logs: TrainingLogs | None, step: int, good: Callable[[], int | None] = lambda: None
) -> None:
    """Write the checkpoint of `step` finished steps; all ranks call it. `good` names the step of a checkpoint that has
    to stay."""
    ranks, scratch = trainer.ranks, checkpoint.scratch(root, step)
    if ranks.first:
        checkpoint.clear(scratch)
    ranks.barrier()
    with checkpoint.whole_or_none(scratch):
        trainer.engine.save(scratch)
        ranks.barrier()
        if logs is not None:
            trainer.processor.save_pretrained(scratch)
            checkpoint.write_state(scratch, replace(_state(trainer, step), log_sizes=logs.sizes()))
    if logs is not None:
        checkpoint.publish(root, step)
        checkpoint.keep_newest(root, trainer.config.save.total_limit, good())
    ranks.barrier()


def _state(trainer: Trainer, step: int) -> State:
    config, engine = trainer.config, trainer.engine
    asked = config.lora
    lora = None if asked is None else LoraShape(asked.rank, asked.alpha, asked.target_modules)
    return State(engine.kind, engine.zero_stage, trainer.ranks.size, step, config.model, lora)


def _resume(root: Path, trainer: Trainer, logs: TrainingLogs | None) -> int:
    """Go back to the last whole checkpoint; the number of finished steps."""
    found = checkpoint.latest(root)
    state = None if found is None else checkpoint.read_state(found)
    trainer.ranks.barrier()
    if logs is not None:
        logs.roll_back({} if state is None else state.log_sizes)
        seen = readings(logs.observations(), trainer.config.guard)
        good = last_good(seen, checkpoint.saved_steps(root))
        checkpoint.keep_newest(root, trainer.config.save.total_limit, good)
    if found is None or state is None:
        return 0
    trainer.engine.load(found, state.world_size)
    return state.step


def _agree_on_data(folder: Path, trainer: Trainer, logs: TrainingLogs | None) -> None:
    """Note which problems were left out, and refuse to go on with other data than the run began with."""
    if logs is None:
        return
    skipped = [{"id": skip.id, "where": skip.where, "reason": skip.reason} for skip in trainer.data.skipped]
    facts = {"problems": len(trainer.data.problems), "digest": trainer.data.digest, "skipped": skipped}
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    file = folder / "data.json"
    if file.exists() and file.read_text() != text:
        fix = "restore the data, or give another --out to start anew"
        raise UserError("the problems have changed since this run began", where=trainer.config.data, fix=fix)
    if not file.exists():
        rundir.write_atomic(file, text)
    if skipped:
        names = ", ".join(f"{skip['id']} ({skip['reason']})" for skip in skipped[:3])
        console.warn(f"{len(skipped)} problems cannot be used: {names}{' ...' if len(skipped) > 3 else ''}")


def _note(outcome: StepOutcome) -> str:
    reward, share = outcome.metrics["reward"], outcome.metrics["vote_share"]
    return f"reward {reward:.3f}  vote share {share:.3f}"
