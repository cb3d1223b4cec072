"""A pipeline's settings -> its stages, each with its settings, its folder and the stages that it needs. Starts nothing.

Everything that can be wrong with a pipeline is found here, before its first stage begins.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mmupt.config import Section, differences, parse, to_dict
from mmupt.config.audit import AuditConfig
from mmupt.config.evaluate import EvaluateConfig
from mmupt.config.merge import MergeConfig
from mmupt.config.run import RunConfig
from mmupt.config.sampling import ELSEWHERE
from mmupt.config.synthesize import SynthesizeConfig
from mmupt.config.train import TrainConfig
from mmupt.errors import UserError
from mmupt.sampling.models import resolve_model
from mmupt.stages.expand import expand
from mmupt.suggest import way_out
from mmupt.types import JsonValue

USES: Mapping[str, type[Section]] = {
    "synthesize": SynthesizeConfig,
    "audit": AuditConfig,
    "train": TrainConfig,
    "merge": MergeConfig,
    "eval": EvaluateConfig,
}
RECIPES = "recipes"
_OWN = ("use", "label", "with")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9][\w-]*")


@dataclass(frozen=True)
class Stage:
    """One stage, ready to run."""

    name: str
    use: str
    label: str
    """What the report calls it."""
    folder: Path
    needs: tuple[str, ...]
    """Stages whose folders its settings refer to."""
    settings: Mapping[str, JsonValue]
    """What the pipeline says, references replaced, `out` added."""
    config: Section
    """The same with all defaults."""


def plan(config: RunConfig) -> tuple[Stage, ...]:
    """All stages, in the order of the pipeline; a stage may refer only to stages above it."""
    root = Path(config.folder())
    stages: dict[str, Stage] = {}
    tables = expand(config.stages, config.defaults)
    for name, table in tables.items():
        where = f"stages.{name}"
        if not _NAME.fullmatch(name) or name == RECIPES:
            raise UserError(f"{name!r} cannot name a stage", where=where, fix="use letters, digits, - and _")
        stages[name] = _stage(name, table, root, stages, tuple(tables), where)
    _refuse_stale(stages)
    return tuple(stages.values())


def finished(stage: Stage, done: Mapping[str, bool]) -> bool:
    """Whether its folder holds its whole output, made with these settings; other settings are refused here already."""
    if isinstance(stage.config, MergeConfig):
        from mmupt.stages.merge import finished as merged

        return all(done[need] for need in stage.needs) and stage.folder.exists() and merged(stage.config) is not None
    if not (stage.folder / "done.json").is_file():
        return False
    there = json.loads((stage.folder / "config.json").read_bytes())["config"]
    changed = [each for each in differences(there, to_dict(stage.config)) if each[0] not in stage.config.may_change()]
    if changed:
        keys = ", ".join(f"{key}: {old} -> {new}" for key, old, new in changed)
        fix = f"give the old values, another --out, or delete {stage.folder}"
        raise UserError(
            f"the settings of this stage have changed since it was run ({keys})", where=f"stages.{stage.name}", fix=fix
        )
    return True


def _stage(
    name: str,
    table: Mapping[str, object],
    root: Path,
    earlier: Mapping[str, Stage],
    all_names: tuple[str, ...],
    where: str,
) -> Stage:
    use = table.get("use")
    if not isinstance(use, str) or use not in USES:
        what = "does not say what it uses" if use is None else f"there is no stage {use!r} to use"
        raise UserError(what, where=where, fix=way_out(str(use), USES))
    label = table.get("label", name)
    if not isinstance(label, str):
        raise UserError("label is not a text", where=where)
    given = _settings(table, where)
    needs = tuple(dict.fromkeys(_references(given)))
    for need in needs:
        if need not in earlier:
            what = f"refers to ${{{need}}}, which is {'no stage above it' if need in all_names else 'no stage'}"
            raise UserError(what, where=where, fix=way_out(need, earlier) if earlier else "it is the first stage")
    folder = root / name
    settings: dict[str, JsonValue] = {each: _resolved(value, earlier) for each, value in given.items()}
    settings["out"] = str(folder)
    config = parse(USES[use], settings, source=where)
    try:
        _check(config)
        if not list(_references(given.get("model"))):
            _check_model(config)
    except UserError as error:
        raise UserError(str(error), where=where) from error
    return Stage(name, use, label, folder, needs, settings, config)


def _settings(table: Mapping[str, object], where: str) -> dict[str, JsonValue]:
    inner = table.get("with", {})
    if not isinstance(inner, dict):
        raise UserError("with is not a table", where=where)
    given = cast(dict[str, JsonValue], {**inner, **{key: each for key, each in table.items() if key not in _OWN}})
    if "out" in given:
        raise UserError("out is set by the pipeline", where=where, fix="set the pipeline's own out")
    return given


def _check(config: Section) -> None:
    if isinstance(config, TrainConfig):
        from mmupt.stages.train import check, ranks_here

        check(config, ranks_here(config))


def _check_model(config: Section) -> None:
    """A model that no earlier stage makes must be there already, or be one of the hub's, which is not asked yet."""
    if not isinstance(config, SynthesizeConfig | AuditConfig | TrainConfig | EvaluateConfig):
        return
    if isinstance(config, TrainConfig) or config.rollout.engine not in ELSEWHERE:
        resolve_model(config.model)


def _references(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _references(each)


def _resolved(value: JsonValue, earlier: Mapping[str, Stage]) -> JsonValue:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: str(earlier[match[1]].folder), value)
    if isinstance(value, dict):
        return {key: _resolved(each, earlier) for key, each in value.items()}
    return [_resolved(each, earlier) for each in value] if isinstance(value, list) else value


def _refuse_stale(stages: Mapping[str, Stage]) -> None:
    """What was made from an output that is gone must not be taken for made from the one to come."""
    done: dict[str, bool] = {}
    for stage in stages.values():
        made = (stage.folder / "done.json").exists() or (stage.folder / "mmupt_merge.json").exists()
        lost = [need for need in stage.needs if not done[need]]
        if made and lost:
            fix = f"delete {stage.folder}, or restore {stages[lost[0]].folder}"
            raise UserError(
                f"is done, but {lost[0]}, from which it was made, is not", where=f"stages.{stage.name}", fix=fix
            )
        done[stage.name] = finished(stage, done)
