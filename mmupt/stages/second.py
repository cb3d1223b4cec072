"""A second opinion on every response of a finished sampling: asked of a model, kept beside the first verdict.

    second.jsonl      one row a response: id, index, verdict (correct, wrong, abstained, unclear), reply

Afterwards each row of samples.jsonl holds `second`: {judge, verdict, reply}. The scores stay those of the first judge.
"""

from collections.abc import Sequence
from contextlib import closing

from mmupt import console
from mmupt.config.evaluate import EvaluateConfig
from mmupt.disk import write_atomic
from mmupt.journal import encoded
from mmupt.judges.contract import SecondJudge, label
from mmupt.prompts import OPINION
from mmupt.rundir import JsonlLog
from mmupt.sampling import Sampler, SamplingParams, open_configured
from mmupt.stages import chunks
from mmupt.stages.asked import Plan
from mmupt.stages.provenance import model_provenance
from mmupt.stages.responses import Row
from mmupt.types import JsonValue


def ask_all(config: EvaluateConfig, judge: SecondJudge, plans: Sequence[Plan]) -> None:
    """Ask what is still missing, with one sampler for all benchmarks, and write the opinions into the samples."""
    missing = [(plan, log, chunk) for plan in plans for log, chunk in _missing(config, plan)]
    if missing:
        with (
            closing(open_configured(config.second, config.judge_model or "")) as sampler,
            console.progress(sum(len(chunk) for _, _, chunk in missing), "second opinion") as progress,
        ):
            for plan, log, chunk in missing:
                log.append(_opinions(config, judge, sampler, plan, chunk))
                progress.advance(len(chunk), plan.name)
    for plan in plans:
        _keep(config, plan)


def provenance(config: EvaluateConfig) -> dict[str, JsonValue]:
    """Who gave the second opinion, and what it was asked."""
    assert config.judge_model is not None
    asked = {name: getattr(config.second, name) for name in ("temperature", "top_p", "max_tokens")}
    model = model_provenance(config.judge_model, config.second.engine)
    return {"judge": label(config.judge), **model, **asked, "prompt": OPINION}


def _missing(config: EvaluateConfig, plan: Plan) -> list[tuple[JsonlLog, Sequence[Row]]]:
    rows = JsonlLog(plan.folder / "samples.jsonl").read()
    log = JsonlLog(plan.folder / "second.jsonl")
    planned = chunks.split(rows, config.chunk_size)
    done = chunks.whole(log, [len(chunk) for chunk in planned])
    return [(log, chunk) for chunk in planned[done:]]


def _opinions(
    config: EvaluateConfig, judge: SecondJudge, sampler: Sampler, plan: Plan, rows: Sequence[Row]
) -> list[dict[str, JsonValue]]:
    problem_of = {problem.id: problem for problem in plan.asked}
    prompts = [
        judge.ask(problem_of[str(row["id"])], str(row["response"]), f"{row['id']}:{row['index']}") for row in rows
    ]
    how = config.second
    groups = sampler.sample(prompts, SamplingParams(1, how.temperature, how.top_p, how.max_tokens, config.seed))
    return [
        {
            "id": row["id"],
            "index": row["index"],
            "verdict": "unclear" if reply.finish_reason == "length" else judge.read(reply.text),
            "reply": reply.text,
        }
        for row, (reply,) in zip(rows, groups, strict=True)
    ]


def _keep(config: EvaluateConfig, plan: Plan) -> None:
    """Write the opinions beside the verdicts; a second time writes the same."""
    samples = JsonlLog(plan.folder / "samples.jsonl")
    opinions = JsonlLog(plan.folder / "second.jsonl").read()
    name = label(config.judge)
    rows = [
        {**row, "second": {"judge": name, "verdict": opinion["verdict"], "reply": opinion["reply"]}}
        for row, opinion in zip(samples.read(), opinions, strict=True)
    ]
    write_atomic(samples.path, encoded(rows))
