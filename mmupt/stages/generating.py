"""Responses of a model to the problems of an evaluation, judged and put on disk as they come.

An engine that streams is asked for everything that is missing, and each group is kept when it is finished. Another one
is asked chunk by chunk, whole chunks always, since what it gives may depend on what is sampled together. Either way
samples.jsonl ends in the order of the problems, with the same bytes whether or not the run was killed on its way.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from mmupt import console, judges
from mmupt.config.evaluate import EvaluateConfig
from mmupt.disk import write_atomic
from mmupt.journal import encoded
from mmupt.judges.contract import first_of
from mmupt.prompts import answer_prompt
from mmupt.rundir import JsonlLog
from mmupt.sampling import Sampler, SamplingParams, Streaming, open_configured
from mmupt.stages import chunks
from mmupt.stages.asked import Plan
from mmupt.stages.responses import of_rollout, sample_row
from mmupt.types import JsonValue, Problem, Rollout

Item = tuple[Plan, Problem]
Group = tuple[Plan, Problem, Sequence[Rollout]]

PAUSE = 0.2
"""Seconds between two writes: each waits for the disk."""


def sample_all(config: EvaluateConfig, plans: Sequence[Plan]) -> None:
    """Whatever is missing, with one sampler for all benchmarks; a run that lacks nothing starts none."""
    if any(_whole(config, plan) < {problem.id for problem in plan.asked} for plan in plans):
        with closing(open_configured(config.rollout, config.model)) as sampler:
            ask(config, sampler, plans)
    for plan in plans:
        _settle(plan)


def ask(config: EvaluateConfig, sampler: Sampler, plans: Sequence[Plan]) -> None:
    """Ask the sampler for what is missing; the rows come as it finishes them."""
    done = {plan.name: _whole(config, plan) for plan in plans}
    total = sum(len(plan.asked) for plan in plans)
    with console.progress(total, "evaluate", done=sum(map(len, done.values()))) as progress:
        for group in _kept(config, _groups(config, sampler, plans, done)):
            progress.advance(1, group[0].name)


def _groups(
    config: EvaluateConfig, sampler: Sampler, plans: Sequence[Plan], done: dict[str, set[str]]
) -> Iterator[list[Group]]:
    """What the sampler gives, in portions that belong together."""
    how = config.rollout
    params = SamplingParams(config.samples, how.temperature, how.top_p, how.max_tokens, config.seed, logprobs=False)
    if isinstance(sampler, Streaming):
        for plan in plans:
            _keep_only(plan, done[plan.name])
        items = [(plan, problem) for plan in plans for problem in plan.asked if problem.id not in done[plan.name]]
        prompts = [answer_prompt(problem, system=config.system) for _, problem in items]
        for position, group in sampler.stream(prompts, params):
            yield [(*items[position], group)]
        return
    for plan in plans:
        parts = chunks.split(plan.asked, config.chunk_size)
        missing = [part for part in parts if any(problem.id not in done[plan.name] for problem in part)]
        _keep_only(plan, done[plan.name] - {problem.id for part in missing for problem in part})
        for part in missing:
            groups = sampler.sample([answer_prompt(problem, system=config.system) for problem in part], params)
            yield [(plan, problem, group) for problem, group in zip(part, groups, strict=True)]


def _kept(config: EvaluateConfig, portions: Iterator[list[Group]]) -> Iterator[Group]:
    """Judge the groups and write them down, at most every PAUSE seconds; what waits when all ends is written too."""
    waiting: list[Group] = []
    written = 0.0
    try:
        for portion in portions:
            waiting += portion
            if time.monotonic() - written >= PAUSE:
                ready, waiting = waiting, []
                _write(config, ready)
                written = time.monotonic()
                yield from ready
    finally:
        _write(config, waiting)
    yield from waiting


def _write(config: EvaluateConfig, groups: Sequence[Group]) -> None:
    label = judges.label(first_of(config.judge))
    rows_of: dict[str, list[dict[str, JsonValue]]] = {}
    for plan, problem, group in groups:
        verdict = judges.verdict_of(config.judge, plan.name)
        responses = map(of_rollout, group)
        rows_of.setdefault(str(plan.folder), []).extend(
            sample_row(problem, each, verdict(problem, each.text, each.truncated), label) for each in responses
        )
    for plan in {plan.name: plan for plan, _, _ in groups}.values():
        _log(plan).append(rows_of[str(plan.folder)])


def _log(plan: Plan) -> JsonlLog:
    return JsonlLog(plan.folder / "samples.jsonl")


def _whole(config: EvaluateConfig, plan: Plan) -> set[str]:
    """Ids of the problems all of whose responses are on disk."""
    found: dict[str, set[JsonValue]] = {}
    for row in _log(plan).read():
        found.setdefault(str(row["id"]), set()).add(row["index"])
    return {id for id, indices in found.items() if len(indices) == config.samples}


def _keep_only(plan: Plan, ids: set[str]) -> None:
    """Drop the rows of all other problems."""
    log = _log(plan)
    rows = log.read()
    kept = [row for row in rows if str(row["id"]) in ids]
    if len(kept) < len(rows):
        write_atomic(log.path, encoded(kept))


def _settle(plan: Plan) -> None:
    """Put the rows into the order of the problems."""
    log = _log(plan)
    rows = log.read()
    place_of = {problem.id: place for place, problem in enumerate(plan.asked)}
    ordered = sorted(rows, key=lambda row: (place_of[str(row["id"])], row["index"]))
    if ordered != rows:
        write_atomic(log.path, encoded(ordered))
