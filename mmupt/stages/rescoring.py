"""A finished evaluation -> plans that judge its responses again. It is read only; neither model nor data is needed."""

import hashlib
import json
from pathlib import Path

from mmupt import benchmarks, judges, problems
from mmupt.config.evaluate import EvaluateConfig
from mmupt.disk import disk_errors
from mmupt.errors import UserError
from mmupt.rundir import JsonlLog
from mmupt.stages.asked import Plan, answered, folder_of, select
from mmupt.stages.provenance import source_name
from mmupt.stages.responses import Response, Row
from mmupt.types import JsonValue, Problem


def question_row(problem: Problem) -> dict[str, JsonValue]:
    """The row of questions.jsonl: all that a judge needs."""
    return {
        "id": problem.id,
        "question": problem.question,
        "choices": list(problem.choices),
        "gold": problem.answer,
        "answer_type": problem.answer_type,
        "precision": problem.precision,
        "unit": problem.unit,
        "meta": dict(problem.meta),
    }


def replanned(config: EvaluateConfig) -> list[Plan]:
    """The plans of an evaluation that judges a run's responses again."""
    run = Path(config.rescore or "")
    folders = _benchmarks(config, run)
    if Path(config.out).resolve().is_relative_to(run.resolve()):
        raise UserError("lies in the run that is scored again", where=config.out, fix="name another folder with --out")
    return [_plan(config, name, folder, len(folders) > 1) for name, folder in folders.items()]


def _benchmarks(config: EvaluateConfig, run: Path) -> dict[str, Path]:
    """Benchmark -> its folder in the run, for those that are asked for."""
    if not (run / "done.json").is_file() or not (found := sorted(run.rglob("results.json"))):
        what = "holds no finished evaluation" if run.is_dir() else "no such run"
        raise UserError(what, where=str(run), fix="name a finished run folder of mmupt eval")
    folders = {str(json.loads(file.read_bytes())["benchmark"]): file.parent for file in found}
    if config.bench is None:
        return folders
    wanted = [benchmarks.named(spec) for spec in config.names()]
    for name in wanted:
        if name not in folders:
            raise UserError(f"no benchmark {name!r}", where=str(run), fix=f"it holds {', '.join(folders)}")
    return {name: folders[name] for name in wanted}


def _plan(config: EvaluateConfig, name: str, source: Path, several: bool) -> Plan:
    judges.check(config.judge, name)
    before = json.loads((source / "results.json").read_bytes())
    known = [_problem(row) for row in JsonlLog(source / "questions.jsonl").read()]
    chosen = select(config, known, benchmarks.find(name), str(source))
    samples = source / "samples.jsonl"
    there, groups = answered([_response(row) for row in JsonlLog(samples).read()], chosen, str(samples))
    with disk_errors(samples):
        digest = hashlib.sha256(samples.read_bytes()).hexdigest()
    provenance = {**before["provenance"], "rescored": source_name(str(config.rescore)), "responses_sha256": digest}
    provenance.pop("second", None)
    protocol = before["protocol"]
    if len(there) < len(known):
        protocol = {**protocol, "limit": config.limit, "ids": config.ids}
        provenance["data_sha256"] = problems.digest(there)
    return Plan(name, folder_of(config, name, several), there, protocol, provenance, groups)


def _problem(row: Row) -> Problem:
    choices, meta, precision = row["choices"], row["meta"], row.get("precision")
    return Problem(
        str(row["id"]),
        str(row["question"]),
        choices=tuple(map(str, choices)) if isinstance(choices, list) else (),
        answer=_text(row["gold"]),
        answer_type=_text(row.get("answer_type")),
        precision=precision if isinstance(precision, int) else None,
        unit=_text(row.get("unit")),
        meta=meta if isinstance(meta, dict) else {},
    )


def _response(row: Row) -> Response:
    index, tokens = row["index"], row["tokens"]
    return Response(
        str(row["id"]),
        str(row["response"]),
        index if isinstance(index, int) else 0,
        _text(row["finish_reason"]),
        tokens if isinstance(tokens, int) else None,
    )


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
