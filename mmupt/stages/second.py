"""A second opinion on every response of a finished sampling: asked of a model, kept beside the first verdict.

    second.jsonl      one row a response: id, index, verdict (correct, wrong, abstained, unclear), reply

Afterwards each row of samples.jsonl holds `second`: {judge, verdict, reply}. The scores stay those of the first judge.
"""

from collections.abc import Sequence
from contextlib import closing

from mmupt.config.evaluate import EvaluateConfig
from mmupt.disk import write_atomic
from mmupt.journal import encoded
from mmupt.judges.contract import SecondJudge, label
from mmupt.prompts import OPINION
from mmupt.rundir import JsonlLog
from mmupt.sampling import SamplingParams, open_configured
from mmupt.stages.asked import Plan
from mmupt.stages.collecting import Task, collect
from mmupt.stages.provenance import model_provenance
from mmupt.stages.responses import Row
from mmupt.types import JsonValue, Rollout


def ask_all(config: EvaluateConfig, judge: SecondJudge, plans: Sequence[Plan]) -> None:
    """Ask what is still missing, with one sampler for all benchmarks, and write the opinions into the samples."""
    tasks = [_task(judge, plan) for plan in plans]
    how = config.second
    if not all(task.complete() for task in tasks):
        with closing(open_configured(how, config.judge_model or "")) as sampler:
            params = SamplingParams(1, how.temperature, how.top_p, how.max_tokens, config.seed, logprobs=False)
            collect(sampler, tasks, params, config.chunk_size, "second opinion")
    for plan, task in zip(plans, tasks, strict=True):
        task.settle()
        _keep(config, plan, task.log)


def provenance(config: EvaluateConfig) -> dict[str, JsonValue]:
    """Who gave the second opinion, and what it was asked."""
    assert config.judge_model is not None
    asked = {name: getattr(config.second, name) for name in ("temperature", "top_p", "max_tokens")}
    model = model_provenance(config.judge_model, config.second.engine)
    return {"judge": label(config.judge), **model, **asked, "prompt": OPINION}


def _task(judge: SecondJudge, plan: Plan) -> Task:
    problem_of = {problem.id: problem for problem in plan.asked}
    samples = JsonlLog(plan.folder / "samples.jsonl").read()

    def rows(place: int, group: Sequence[Rollout]) -> list[dict[str, JsonValue]]:
        (reply,) = group
        verdict = "unclear" if reply.finish_reason == "length" else judge.read(reply.text)
        return [{"id": samples[place]["id"], "index": samples[place]["index"], "verdict": verdict, "reply": reply.text}]

    prompts = [judge.ask(problem_of[str(row["id"])], str(row["response"]), _prompt_of(row)) for row in samples]
    return Task(plan.name, JsonlLog(plan.folder / "second.jsonl"), prompts, rows, _prompt_of, samples=1)


def _prompt_of(row: Row) -> str:
    return f"{row['id']}:{row['index']}"


def _keep(config: EvaluateConfig, plan: Plan, log: JsonlLog) -> None:
    """Write the opinions beside the verdicts; a second time writes the same."""
    samples, opinions, name = JsonlLog(plan.folder / "samples.jsonl"), log.read(), label(config.judge)
    rows = [
        {**row, "second": {"judge": name, "verdict": opinion["verdict"], "reply": opinion["reply"]}}
        for row, opinion in zip(samples.read(), opinions, strict=True)
    ]
    write_atomic(samples.path, encoded(rows))
