"""The run stage: a pipeline in; one folder a stage, a table and a report out. A stage that is done is skipped.

pipeline.json          the stages, for `mmupt report`
recipes/NAME.toml      the settings of each stage, as `mmupt USE recipes/NAME.toml` takes them
NAME/                  what the stage writes
report.html .md .json
"""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmupt import console
from mmupt.config.run import RunConfig
from mmupt.config.toml import dumps
from mmupt.config.train import TrainConfig
from mmupt.errors import CollapseError, MmuptError, UserError
from mmupt.rundir import disk_errors, write_atomic
from mmupt.stages.children import Children
from mmupt.stages.pipeline import RECIPES, Stage, finished, plan
from mmupt.stages.planning import TrainingPlan, described, plan_training, show_training
from mmupt.stages.report import report_pipeline
from mmupt.stages.train import as_sets
from mmupt.types import JsonValue

PIPELINE = "pipeline.json"
_INTERRUPTED = (130, -2)


def run(config: RunConfig, *, dry_run: bool = False) -> dict[str, JsonValue]:
    """Run what is not done, then report. A dry run shows what would be done, and returns it."""
    stages = plan(config)
    done = states(stages)
    if dry_run:
        return show_plan(stages, done)
    root = Path(config.folder())
    with disk_errors(root), _locked(root):
        write_atomic(root / PIPELINE, json.dumps(_described(config, stages), indent=1, ensure_ascii=False) + "\n")
        _run_missing(config, stages, done)
        return report_pipeline(root)


def states(stages: Sequence[Stage]) -> dict[str, bool]:
    """Stage -> whether it is done."""
    done: dict[str, bool] = {}
    for stage in stages:
        done[stage.name] = finished(stage, done)
    return done


def show_plan(stages: Sequence[Stage], done: dict[str, bool]) -> dict[str, JsonValue]:
    """What a run would do, as a table; nothing is written."""
    rows = [[s.name, s.use, ", ".join(s.needs), s.folder, "done" if done[s.name] else "to do"] for s in stages]
    console.table("plan", ["stage", "uses", "after", "folder", "state"], rows)
    told: dict[str, JsonValue] = {"stages": {stage.name: "done" if done[stage.name] else "to do" for stage in stages}}
    trainings = _show_trainings([stage for stage in stages if not done[stage.name]])
    return told | {"trainings": trainings} if trainings else told


def _show_trainings(stages: Sequence[Stage]) -> dict[str, JsonValue]:
    """What the trainings among them take; those that are alike are shown once."""
    told: dict[str, JsonValue] = {}
    alike: dict[str, list[Stage]] = {}
    plans = {stage.name: planned for stage in stages if (planned := _training(stage)) is not None}
    for stage in stages:
        if stage.name in plans:
            told[stage.name] = described(plans[stage.name])
            alike.setdefault(json.dumps(told[stage.name]), []).append(stage)
    for group in alike.values():
        show_training(plans[group[0].name], f"training: {', '.join(stage.name for stage in group)}")
    return told


def _training(stage: Stage) -> TrainingPlan | None:
    if not isinstance(stage.config, TrainConfig):
        return None
    words = ["train", *(word for each in as_sets(stage.settings) for word in ("--set", each))]
    made = any(stage.config.model.startswith(str(stage.folder.parent / need)) for need in stage.needs)
    try:
        return plan_training(stage.config, words, in_pipeline=True, model_is_there=not made)
    except UserError as error:
        raise UserError(str(error), where=f"stages.{stage.name}") from error


def _run_missing(config: RunConfig, stages: Sequence[Stage], done: dict[str, bool]) -> None:
    for stage in stages:
        if done[stage.name]:
            console.say(f"{stage.name}: done before, skipped")
    waiting = [stage for stage in stages if not done[stage.name]]
    environment = {"OMP_NUM_THREADS": str(config.threads)} if config.threads else {}
    with Children() as children:
        while waiting or children.running:
            for stage in [stage for stage in waiting if all(done[need] for need in stage.needs)]:
                if len(children.running) < config.jobs:
                    waiting.remove(stage)
                    console.say(f"{stage.name}: starts ({sum(done.values())} of {len(stages)} stages done)")
                    children.start(stage.name, _command(stage), environment)
            name, event = children.next()
            if isinstance(event, str):
                console.say(f"{name}: {event}" if event else "")
            else:
                _ended(name, event, children.last.reason if children.last else "")
                done[name] = True


def _command(stage: Stage) -> list[str]:
    """The stage's own command: its recipe, and by --set what TOML cannot say."""
    recipe = stage.folder.parent / RECIPES / f"{stage.name}.toml"
    write_atomic(recipe, dumps(stage.settings))
    nulls = [word for key in _nulls(stage.settings) for word in ("--set", f"{key}=null")]
    return [stage.use, str(recipe), *nulls]


def _nulls(settings: object, prefix: str = "") -> Iterator[str]:
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from _nulls(value, f"{prefix}{key}.")
    elif settings is None:
        yield prefix[:-1]


def _ended(name: str, code: int, reason: str) -> None:
    if code in _INTERRUPTED:
        raise KeyboardInterrupt
    if code == 2:
        raise UserError(reason or "the stage refused its settings", where=f"stage {name}")
    if code == 3:
        raise CollapseError(f"stage {name}: {reason}")
    if code != 0:
        raise MmuptError(f"stage {name} ended with exit code {code}: {reason or 'it gave no reason'}")


def _described(config: RunConfig, stages: Sequence[Stage]) -> dict[str, JsonValue]:
    told: list[JsonValue] = [
        {"name": stage.name, "use": stage.use, "label": stage.label, "needs": list(stage.needs)} for stage in stages
    ]
    return {"name": config.name, "stages": told}


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "another process is working on this pipeline", where=str(root), fix="wait for it, or give another --out"
            ) from None
        yield
