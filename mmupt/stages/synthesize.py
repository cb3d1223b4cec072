"""The synthesize stage: pictures (and questions) in, a problem set of the model's own questions out.

    generations.jsonl           one row a completion: prompt, response, question, choices, verdict, vote
    filters.json                how many were written, dropped by which filter, kept
    problems.jsonl, images/     the problem set, which `mmupt train` reads; each question tells where it comes from

Chunks of pictures are written about, filtered and put on disk one at a time; a resumed run drops a partial chunk and
goes on, and ends with the same bytes.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mmupt import console, problems
from mmupt.config.synthesize import SynthesizeConfig
from mmupt.errors import UserError
from mmupt.problems.writing import write
from mmupt.rundir import JsonlLog, RunDir, write_atomic
from mmupt.sampling import Sampler, SamplingParams, open_configured
from mmupt.stages import chunks
from mmupt.stages.asking import voted
from mmupt.stages.provenance import check_model, model_provenance, source_name, tell_skipped
from mmupt.synthesis import direct, in_context
from mmupt.synthesis.counts import count
from mmupt.synthesis.draft import DUPLICATE, KEPT, UNPARSEABLE, Draft, read_drafts, to_row
from mmupt.synthesis.filters import Seen
from mmupt.synthesis.parse import showable
from mmupt.synthesis.sources import draw
from mmupt.types import JsonValue, Problem

MODES = {"direct": direct, "in-context": in_context}


@dataclass(frozen=True)
class Plan:
    """The sources in order: a pure function of settings and data."""

    sources: tuple[Problem, ...]
    skipped: list[JsonValue]


def synthesize(config: SynthesizeConfig) -> dict[str, JsonValue]:
    """Run or resume it; returns the counts that lie in filters.json and done.json."""
    plan = _plan(config)
    if config.example_answer == "gold":
        console.warn("the examples show their GOLD answers: what comes out of this run was made with labels")
    run = RunDir.open(Path(config.out), "synthesize", config)
    with closing(run):
        if not run.done:
            log = run.jsonl("generations")
            _write_all(config, plan, log)
            run.finish(_keep(config, plan, run.path, log.read()))
        result = run.result()
        _show(result)
        return result


def _plan(config: SynthesizeConfig) -> Plan:
    mode = MODES[config.mode]
    loaded = problems.load(config.data, answers=config.example_answer == "gold", questions=mode.NEEDS_QUESTION)
    skipped = tell_skipped(loaded.skipped, config.data)
    sources = draw(mode.sources(loaded.problems), config.count, config.seed, what=mode.WHAT, where=config.data)
    unlabelled = next((source.id for source in sources if source.answer is None), None)
    if config.example_answer == "gold" and unlabelled is not None:
        fix = 'use example_answer = "voted" or "none"'
        raise UserError(f"problem {unlabelled!r} has no gold answer to show", where=config.data, fix=fix)
    check_model(config.model, config.rollout.engine)
    return Plan(sources, skipped)


def _write_all(config: SynthesizeConfig, plan: Plan, log: JsonlLog) -> None:
    planned = chunks.split(plan.sources, config.chunk_size)
    done = chunks.whole(log, [len(chunk) * config.per_image for chunk in planned])
    rows = log.read()
    seen, kept = _learnt(config, rows), _kept(rows)
    if done == len(planned) or _enough(config, kept):
        return
    with (
        closing(open_configured(config.rollout, config.model)) as sampler,
        console.progress(len(plan.sources), "synthesize", done=sum(map(len, planned[:done]))) as progress,
    ):
        for chunk in planned[done:]:
            rows = _chunk_rows(config, sampler, chunk, seen)
            log.append(rows)
            kept += _kept(rows)
            progress.advance(len(chunk), f"{kept} kept")
            if _enough(config, kept):
                return


def _chunk_rows(
    config: SynthesizeConfig, sampler: Sampler, chunk: Sequence[Problem], seen: Seen
) -> list[dict[str, JsonValue]]:
    examples = _examples(config, sampler, chunk)
    ask = MODES[config.mode].prompt
    asked = zip(chunk, examples, strict=True)
    prompts = [ask(f"{source.id}:{config.mode}", source, example) for source, example in asked]
    rollout = config.rollout
    params = SamplingParams(config.per_image, rollout.temperature, rollout.top_p, rollout.max_tokens, config.seed)
    groups = sampler.sample(prompts, params)
    drafts: list[Draft] = []
    for source, prompt, group, example in zip(chunk, prompts, groups, examples, strict=True):
        drafts += read_drafts(source, prompt, group, example, seen, config.filter.max_characters)
    good = [draft.problem() for draft in drafts if draft.fault is None]
    votes = {problem.id: vote for problem, vote in voted(sampler, good, config.answers, config.seed)}
    low, high = config.filter.low, config.filter.high
    return [to_row(draft, votes.get(draft.id), low, high) for draft in drafts]


def _examples(config: SynthesizeConfig, sampler: Sampler, chunk: Sequence[Problem]) -> list[str | None]:
    if config.example_answer == "gold":
        return [showable(source.answer) for source in chunk]
    if config.example_answer == "voted":
        return [showable(vote.label) for _, vote in voted(sampler, chunk, config.answers, config.seed)]
    return [None] * len(chunk)


def _learnt(config: SynthesizeConfig, rows: Sequence[dict[str, JsonValue]]) -> Seen:
    """The questions that an interrupted run has seen already."""
    seen = Seen(config.filter.duplicate)
    for row in rows:
        if row["verdict"] not in (UNPARSEABLE, DUPLICATE):
            seen.is_new(str(row["picture"]), str(row["question"]))
    return seen


def _kept(rows: Sequence[dict[str, JsonValue]]) -> int:
    return sum(row["verdict"] == KEPT for row in rows)


def _enough(config: SynthesizeConfig, kept: int) -> bool:
    return config.limit is not None and kept >= config.limit


def _keep(
    config: SynthesizeConfig, plan: Plan, folder: Path, rows: Sequence[dict[str, JsonValue]]
) -> dict[str, JsonValue]:
    """Write the problem set and the counts."""
    kept = [row for row in rows if row["verdict"] == KEPT][: config.limit]
    if not kept:
        fix = "look at generations.jsonl; widen filter.low to filter.high, or use a model that can write questions"
        raise UserError(f"none of {len(rows)} written questions passed the filters", where=str(folder), fix=fix)
    sources = {source.id: source for source in plan.sources}
    origin = _origin(config)
    write(folder, [_problem(row, sources[str(row["source"])], origin) for row in kept])
    counts = {**origin, "sources": len(plan.sources), **count(rows), "skipped": plan.skipped}
    result: dict[str, JsonValue] = {**counts, "kept": len(kept)}
    write_atomic(folder / "filters.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return result


def _origin(config: SynthesizeConfig) -> dict[str, JsonValue]:
    """Provenance that all questions of the run share."""
    shared = {"source": source_name(config.data), "mode": config.mode, "example_answer": config.example_answer}
    return {**shared, **model_provenance(config.model, config.rollout.engine)}


def _problem(row: dict[str, JsonValue], source: Problem, origin: dict[str, JsonValue]) -> Problem:
    vote = row["vote"]
    meta: dict[str, JsonValue] = {**origin, "source_id": source.id, "prompt": row["prompt"], "seed": row["seed"]}
    if isinstance(vote, dict):
        meta["vote_share"] = vote["share"]
    choices = row["choices"] if isinstance(row["choices"], list) else []
    return Problem(str(row["id"]), str(row["question"]), source.images, tuple(map(str, choices)), meta=meta)


def _show(result: dict[str, JsonValue]) -> None:
    dropped = result["dropped"] if isinstance(result["dropped"], dict) else {}
    rows: list[list[object]] = [["written", result["written"]]]
    rows += [[f"dropped: {name}", number] for name, number in dropped.items()]
    console.table("synthesized questions", ["", "questions"], [*rows, ["kept", result["kept"]]])
