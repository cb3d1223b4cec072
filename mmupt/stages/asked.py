"""Settings of an evaluation -> its plans: for each benchmark, which problems, which responses there are already, where.

Pure functions of settings and data. Everything that can be wrong with either is told here, before a folder is made.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmupt import benchmarks, judges, problems
from mmupt.benchmarks import Benchmark, together_of
from mmupt.benchmarks.subset import subset
from mmupt.config import to_dict
from mmupt.config.evaluate import EvaluateConfig
from mmupt.config.protocols import changed
from mmupt.disk import disk_errors
from mmupt.errors import UserError
from mmupt.prompts import ANSWER_FORMAT
from mmupt.stages.provenance import source_name, tell_skipped
from mmupt.stages.responses import Response, by_problem, read
from mmupt.suggest import nearest
from mmupt.types import JsonValue, Problem


@dataclass(frozen=True)
class Plan:
    """One benchmark of an evaluation."""

    name: str
    folder: Path
    asked: tuple[Problem, ...]
    protocol: dict[str, JsonValue]
    """How the model is asked, as results tell it."""
    provenance: dict[str, JsonValue]
    """What the data and the given responses are."""
    given: tuple[tuple[Response, ...], ...] | None = None
    """For each problem its responses, the same number for all; None where a model is to be asked."""


def planned(config: EvaluateConfig) -> list[Plan]:
    """The plans of an evaluation that samples from a model or reads a file of responses."""
    return [_plan(config, benchmarks.named(spec)) for spec in config.names()]


def folder_of(config: EvaluateConfig, name: str, several: bool) -> Path:
    """Where a benchmark's files go."""
    return Path(config.out) / name if several else Path(config.out)


def select(config: EvaluateConfig, known: Sequence[Problem], bench: Benchmark, where: str) -> tuple[Problem, ...]:
    """The problems that --ids and --limit leave."""
    chosen = known
    if config.ids is not None:
        wanted = _ids(config.ids)
        refuse_unknown(wanted, known, where)
        chosen = [problem for problem in known if problem.id in set(wanted)]
    return subset(chosen, config.limit, bench.BREAKDOWNS[0], together_of(bench))


def refuse_unknown(ids: Iterable[str], known: Sequence[Problem], where: str) -> None:
    """An id that is none of the problems' is a UserError."""
    names = {problem.id for problem in known}
    unknown = next((id for id in ids if id not in names), None)
    if unknown is not None:
        near = nearest(unknown, names)
        fix = f"did you mean {near!r}?" if near else f"its ids look like {known[0].id!r}"
        raise UserError(f"no problem has the id {unknown!r}", where=where, fix=fix)


def answered(
    given: Sequence[Response], asked: Sequence[Problem], where: str
) -> tuple[tuple[Problem, ...], tuple[tuple[Response, ...], ...]]:
    """The problems that have responses, and those; each must have the same number."""
    responses_of = by_problem(given)
    there = tuple(problem for problem in asked if problem.id in responses_of)
    if not there:
        raise UserError("holds no response to any problem that is asked", where=where, fix="look at --ids and --limit")
    groups = tuple(tuple(responses_of[problem.id]) for problem in there)
    most = max(map(len, groups))
    short = next((group for group in groups if len(group) < most), None)
    if short is not None:
        what = f"problem {short[0].problem_id!r} has {len(short)} of {most} responses"
        raise UserError(what, where=where, fix="give the same number for each problem, or score each index by itself")
    return there, groups


def _plan(config: EvaluateConfig, name: str) -> Plan:
    bench = benchmarks.find(name)
    judges.check(config.judge, name)
    split = config.split or next(iter(bench.SPLITS))
    if split not in bench.SPLITS:
        raise UserError(f"no split {split!r}", where=f"benchmark {name}", fix=f"choose from {', '.join(bench.SPLITS)}")
    loaded = bench.load(split, config.data, pictures=config.responses is None)
    unlabelled = next((problem.id for problem in loaded.problems if problem.answer is None), None)
    if unlabelled is not None:
        raise UserError(f"problem {unlabelled!r} has no answer to grade by", where=name, fix="give labelled data")
    provenance: dict[str, JsonValue] = {
        "split": split,
        "data": source_name(config.data) if config.data else name,
        "problems": len(loaded.problems),
        "skipped": tell_skipped(loaded.skipped, name),
    }
    asked = select(config, loaded.problems, bench, f"benchmark {name}")
    folder = folder_of(config, name, len(config.names()) > 1)
    if config.responses is None:
        provenance["data_sha256"] = problems.digest(asked)
        return Plan(name, folder, asked, _protocol(config), provenance)
    return _with_responses(config, Plan(name, folder, asked, {}, provenance), Path(config.responses), loaded.problems)


def _with_responses(config: EvaluateConfig, plan: Plan, file: Path, known: Sequence[Problem]) -> Plan:
    given = read(file)
    ids = {problem.id for problem in known}
    stray = next((response for response in given if response.problem_id not in ids), None)
    if stray is not None:
        refuse_unknown([stray.problem_id], known, f"{stray.where} (benchmark {plan.name})")
    there, groups = answered(given, plan.asked, str(file))
    with disk_errors(file):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    told: dict[str, JsonValue] = {
        "responses": source_name(str(file)),
        "responses_sha256": digest,
        "without_response": len(plan.asked) - len(there),
        # Whether a picture lies there must not change what was scored.
        "data_sha256": problems.digest(replace(problem, images=()) for problem in there),
    }
    protocol: dict[str, JsonValue] = {"name": None, "samples": len(groups[0]), "limit": config.limit, "ids": config.ids}
    return replace(plan, asked=there, given=groups, protocol=protocol, provenance={**plan.provenance, **told})


def _protocol(config: EvaluateConfig) -> dict[str, JsonValue]:
    """The protocol's name, what was changed of it, and every value."""
    rollout = config.rollout
    return {
        "name": config.protocol,
        "changed": list(changed(config.protocol, to_dict(config))),
        "system": config.system,
        "suffix": ANSWER_FORMAT,
        "samples": config.samples,
        "temperature": rollout.temperature,
        "top_p": rollout.top_p,
        "max_tokens": rollout.max_tokens,
        "min_pixels": rollout.min_pixels,
        "max_pixels": rollout.max_pixels,
        "seed": config.seed,
        "limit": config.limit,
        "ids": config.ids,
    }


def _ids(named: str) -> list[str]:
    """Ids of a file, one a line, or separated by commas."""
    file = Path(named).expanduser()
    if file.is_file():
        with disk_errors(file):
            parts = file.read_text(encoding="utf-8", errors="replace").splitlines()
    else:
        parts = named.split(",")
    found = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not found:
        raise UserError("no id is named", where=named, fix="give --ids a,b,c or a file with one id a line")
    return found
