"""Responses of a model to the problems of an evaluation, judged and put on disk as they come (`collecting`)."""

from collections.abc import Sequence
from contextlib import closing

from mmupt import judges
from mmupt.config.evaluate import EvaluateConfig
from mmupt.judges.contract import first_of
from mmupt.prompts import answer_prompt
from mmupt.rundir import JsonlLog
from mmupt.sampling import Sampler, SamplingParams, open_configured
from mmupt.stages.asked import Plan
from mmupt.stages.collecting import Task, collect
from mmupt.stages.responses import of_rollout, sample_row
from mmupt.types import JsonValue, Rollout


def sample_all(config: EvaluateConfig, plans: Sequence[Plan]) -> None:
    """Whatever is missing, with one sampler for all benchmarks; a run that lacks nothing starts none."""
    tasks = [_task(config, plan) for plan in plans]
    if not all(task.complete() for task in tasks):
        with closing(open_configured(config.rollout, config.model)) as sampler:
            _ask(config, sampler, tasks)
    for task in tasks:
        task.settle()


def ask(config: EvaluateConfig, sampler: Sampler, plans: Sequence[Plan]) -> None:
    """Ask this sampler for what is missing; the rows come as it finishes them."""
    _ask(config, sampler, [_task(config, plan) for plan in plans])


def _ask(config: EvaluateConfig, sampler: Sampler, tasks: Sequence[Task]) -> None:
    how = config.rollout
    params = SamplingParams(config.samples, how.temperature, how.top_p, how.max_tokens, config.seed, logprobs=False)
    collect(sampler, tasks, params, config.chunk_size, "evaluate")


def _task(config: EvaluateConfig, plan: Plan) -> Task:
    verdict, label = judges.verdict_of(config.judge, plan.name), judges.label(first_of(config.judge))

    def rows(place: int, group: Sequence[Rollout]) -> list[dict[str, JsonValue]]:
        problem, responses = plan.asked[place], [of_rollout(rollout) for rollout in group]
        return [sample_row(problem, each, verdict(problem, each.text, each.truncated), label) for each in responses]

    prompts = [answer_prompt(problem, system=config.system) for problem in plan.asked]
    log = JsonlLog(plan.folder / "samples.jsonl")
    return Task(plan.name, log, prompts, rows, lambda row: str(row["id"]), config.samples)
