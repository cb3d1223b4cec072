"""The evaluate stage: a model and benchmarks in; every response with its verdict, and the scores, out.

    samples.jsonl      one row a response: id, index, response, extracted, gold, verdict (correct, wrong, abstained),
                       reason, judge, finish_reason, tokens
    questions.jsonl    one row a problem: id, question, choices, gold, meta
    results.json       the scores

With several benchmarks each has a folder of its own, named after it. Chunks are sampled, graded and put on disk one
at a time; a resumed run drops a partial chunk and goes on, and ends with the same bytes.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mmupt import benchmarks, console, problems
from mmupt.answers import grade
from mmupt.benchmarks.subset import subset
from mmupt.config.evaluate import EvaluateConfig
from mmupt.errors import UserError
from mmupt.prompts import answer_prompt
from mmupt.rundir import JsonlLog, RunDir, write_atomic
from mmupt.sampling import Sampler, SamplingParams, open_configured
from mmupt.stages import chunks, results
from mmupt.stages.provenance import check_model, model_provenance, source_name, tell_skipped
from mmupt.types import JsonValue, Problem, Rollout


@dataclass(frozen=True)
class Plan:
    """One benchmark of a run: a pure function of settings and data."""

    name: str
    split: str
    folder: Path
    asked: tuple[Problem, ...]
    breakdowns: tuple[str, ...]
    skipped: list[JsonValue]


def evaluate(config: EvaluateConfig) -> dict[str, JsonValue]:
    """Run or resume it; returns the result that lies in done.json: {benchmark: the content of its results.json}."""
    plans = [_plan(config, name) for name in config.names()]
    check_model(config.model, config.rollout.engine)
    run = RunDir.open(Path(config.out), "evaluate", config)
    with closing(run):
        if not run.done:
            _sample_all(config, plans)
            model = model_provenance(config.model, config.rollout.engine)
            found: dict[str, JsonValue] = {plan.name: _score(config, plan, model) for plan in plans}
            run.finish(found)
        for plan in plans:
            results.show(json.loads((plan.folder / "results.json").read_bytes()))
        return run.result()


def _plan(config: EvaluateConfig, name: str) -> Plan:
    bench = benchmarks.find(name)
    split = config.split or next(iter(bench.SPLITS))
    if split not in bench.SPLITS:
        raise UserError(f"no split {split!r}", where=f"benchmark {name}", fix=f"choose from {', '.join(bench.SPLITS)}")
    loaded = bench.load(split, config.data)
    unlabelled = next((problem.id for problem in loaded.problems if problem.answer is None), None)
    if unlabelled is not None:
        raise UserError(f"problem {unlabelled!r} has no answer to grade by", where=name, fix="give labelled data")
    folder = Path(config.out) if len(config.names()) == 1 else Path(config.out) / name
    asked = subset(loaded.problems, config.limit, bench.BREAKDOWNS[0])
    return Plan(name, split, folder, asked, bench.BREAKDOWNS, tell_skipped(loaded.skipped, name))


def _sample_all(config: EvaluateConfig, plans: Sequence[Plan]) -> None:
    """What is still missing, with one sampler for all; a run that lacks nothing starts none."""
    missing = [(plan, log, chunk) for plan in plans for log, chunk in _missing(config, plan)]
    if not missing:
        return
    total = sum(len(plan.asked) for plan in plans)
    left = sum(len(chunk) for _, _, chunk in missing)
    with (
        closing(open_configured(config.rollout, config.model)) as sampler,
        console.progress(total, "evaluate", done=total - left) as progress,
    ):
        for plan, log, chunk in missing:
            log.append(_rows(config, sampler, chunk))
            progress.advance(len(chunk), plan.name)


def _missing(config: EvaluateConfig, plan: Plan) -> Iterator[tuple[JsonlLog, Sequence[Problem]]]:
    log = JsonlLog(plan.folder / "samples.jsonl")
    planned = chunks.split(plan.asked, config.chunk_size)
    done = chunks.whole(log, [len(chunk) * config.samples for chunk in planned])
    return ((log, chunk) for chunk in planned[done:])


def _rows(config: EvaluateConfig, sampler: Sampler, chunk: Sequence[Problem]) -> list[dict[str, JsonValue]]:
    rollout = config.rollout
    params = SamplingParams(config.samples, rollout.temperature, rollout.top_p, rollout.max_tokens, config.seed)
    groups = sampler.sample([answer_prompt(problem) for problem in chunk], params)
    pairs = zip(chunk, groups, strict=True)
    return [_graded(problem, rollout) for problem, group in pairs for rollout in group]


def _graded(problem: Problem, rollout: Rollout) -> dict[str, JsonValue]:
    verdict = grade(
        rollout.text,
        problem.answer or "",
        answer_type=problem.answer_type,
        choices=problem.choices,
        precision=problem.precision,
        unit=problem.unit,
        truncated=rollout.finish_reason == "length",
    )
    return {
        "id": problem.id,
        "index": rollout.index,
        "response": rollout.text,
        "extracted": verdict.answer,
        "gold": problem.answer,
        "verdict": "correct" if verdict.correct else "wrong" if verdict.answer is not None else "abstained",
        "reason": verdict.reason,
        "judge": results.JUDGE,
        "finish_reason": rollout.finish_reason,
        "tokens": len(rollout.token_ids),
    }


def _question(problem: Problem) -> dict[str, JsonValue]:
    return {
        "id": problem.id,
        "question": problem.question,
        "choices": list(problem.choices),
        "gold": problem.answer,
        "meta": dict(problem.meta),
    }


def _score(config: EvaluateConfig, plan: Plan, model: dict[str, JsonValue]) -> dict[str, JsonValue]:
    lines = (json.dumps(_question(problem), ensure_ascii=False) + "\n" for problem in plan.asked)
    write_atomic(plan.folder / "questions.jsonl", "".join(lines))
    rows = JsonlLog(plan.folder / "samples.jsonl").read()
    scored = results.score(plan.asked, rows, plan.breakdowns)
    rollout = config.rollout
    protocol: dict[str, JsonValue] = {
        "samples": config.samples,
        "temperature": rollout.temperature,
        "top_p": rollout.top_p,
        "max_tokens": rollout.max_tokens,
        "min_pixels": rollout.min_pixels,
        "max_pixels": rollout.max_pixels,
        "seed": config.seed,
        "limit": config.limit,
    }
    provenance: dict[str, JsonValue] = {
        **model,
        "split": plan.split,
        "data": source_name(config.data) if config.data else plan.name,
        "data_sha256": problems.digest(plan.asked),
        "skipped": plan.skipped,
    }
    found = {"benchmark": plan.name, "n": len(plan.asked), "protocol": protocol, **scored, "provenance": provenance}
    write_atomic(plan.folder / "results.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found
