"""The audit stage: a model and a problem set in; whether the model can vote there, out. Before any training.

    samples.jsonl              one row a completion: id, index, response, answer, key, finish_reason, tokens
    survey.json                the numbers and the verdict
    audit.md, .html, .json     the same to look at

Answers of the data are read only where `labels` asks for them, and then only to be counted.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from mmupt import console, problems
from mmupt.answers import canonical_key, extract
from mmupt.config.audit import AuditConfig
from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.prompts import answer_prompt
from mmupt.reporting.assemble import write
from mmupt.reporting.audit import SAID, audit_report
from mmupt.rewards import Gold
from mmupt.rewards.ground_truth import is_right
from mmupt.rundir import RunDir
from mmupt.sampling import SamplingParams, open_configured
from mmupt.stages.collecting import Task, collect
from mmupt.stages.provenance import check_model, model_provenance, source_name, tell_skipped
from mmupt.training.order import epoch_order
from mmupt.types import JsonValue, Problem, Rollout
from mmupt.voting import vote
from mmupt.voting.survey import Ballot, doubts, survey

Rows = Mapping[str, Sequence[Mapping[str, JsonValue]]]
"""Problem id -> the rows of its completions."""


def audit(config: AuditConfig) -> dict[str, JsonValue]:
    """Run or resume it; returns the content of survey.json. A bad verdict is a result, not an error."""
    check_model(config.model, config.rollout.engine)
    asked = _asked(config)
    run = RunDir.open(Path(config.out), "audit", config)
    with closing(run):
        if not run.done:
            rows = _sampled(config, asked, run)
            run.finish(_told(config, asked, rows, run.path))
        result = run.result()
    verdict = str(result["verdict"])
    (console.say if result["can_vote"] else console.warn)(verdict)
    console.table("audit", ["", "value"], [[said, result[name]] for name, said in SAID.items() if name in result])
    console.say(str(Path(config.out) / "audit.html"))
    return result


def _asked(config: AuditConfig) -> list[Problem]:
    """The questions in the order in which a training would ask them."""
    found = problems.load(config.data, answers=config.labels)
    tell_skipped(found.skipped, source_name(config.data))
    if not found.problems:
        raise UserError("there is no question to ask", where=config.data, fix="give a problem set that holds some")
    if config.labels and not any(problem.answer is not None for problem in found.problems):
        fix = "leave --audit-labels out"
        raise UserError("there is no gold answer to compare with", where=config.data, fix=fix)
    order = epoch_order(config.seed, len(found.problems), 0)
    return [found.problems[index] for index in order[: config.limit]]


def _sampled(config: AuditConfig, asked: Sequence[Problem], run: RunDir) -> Rows:
    def rows(place: int, group: Sequence[Rollout]) -> list[dict[str, JsonValue]]:
        return [_row(asked[place], rollout) for rollout in group]

    prompts = [answer_prompt(problem, system=config.system) for problem in asked]
    log = run.jsonl("samples")
    task = Task(source_name(config.data), log, prompts, rows, lambda row: str(row["id"]), config.samples)
    if not task.complete():
        how = config.rollout
        params = SamplingParams(config.samples, how.temperature, how.top_p, how.max_tokens, config.seed)
        with closing(open_configured(how, config.model)) as sampler:
            collect(sampler, [task], params, config.chunk_size, "audit")
    task.settle()
    found: dict[str, list[Mapping[str, JsonValue]]] = {problem.id: [] for problem in asked}
    for row in log.read():
        found[str(row["id"])].append(row)
    return found


def _row(problem: Problem, rollout: Rollout) -> dict[str, JsonValue]:
    read = extract(rollout.text, truncated=rollout.finish_reason == "length", choices=problem.choices)
    return {
        "id": problem.id,
        "index": rollout.index,
        "response": rollout.text,
        "answer": read.text,
        "key": None if read.text is None else canonical_key(read.text, choices=problem.choices),
        "finish_reason": rollout.finish_reason,
        "tokens": len(rollout.token_ids),
    }


def _told(config: AuditConfig, asked: Sequence[Problem], rows: Rows, folder: Path) -> dict[str, JsonValue]:
    ballots = [_ballot(config, problem, rows[problem.id]) for problem in asked]
    found = survey(ballots)
    against = doubts(found, config.limits)
    model, data = source_name(config.model), source_name(config.data)
    verdict = f"{model} {'cannot' if against else 'can'} vote on {data}" + (
        f": {'; '.join(against)}" if against else ""
    )
    result: dict[str, JsonValue] = {"verdict": verdict, "can_vote": not against, **asdict(found)}
    result["share_histogram"] = list(found.share_histogram)
    if config.labels:
        result |= _accuracy(asked, ballots, rows)
    result |= {"data": data, **model_provenance(config.model, config.rollout.engine)}
    write_atomic(folder / "survey.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    write(audit_report(f"Can {model} vote on {data}?", verdict, result), folder, "audit")
    return result


def _ballot(config: AuditConfig, problem: Problem, rows: Sequence[Mapping[str, JsonValue]]) -> Ballot:
    rules = config.vote
    answers = [None if row["answer"] is None else str(row["answer"]) for row in rows]
    keys = tuple(None if row["key"] is None else str(row["key"]) for row in rows)
    choices = problem.choices
    ballot = vote(answers, choices=choices, tie=rules.tie, min_count=rules.min_count, min_share=rules.min_share)
    return Ballot(ballot, keys)


def _accuracy(asked: Sequence[Problem], ballots: Sequence[Ballot], rows: Rows) -> dict[str, JsonValue]:
    """Over the questions that have a gold."""
    labels, samples = [], []
    for problem, ballot in zip(asked, ballots, strict=True):
        gold = Gold.of(problem)
        if gold is not None:
            answers = [None if row["answer"] is None else str(row["answer"]) for row in rows[problem.id]]
            labels.append(is_right(ballot.vote.label, gold, problem.choices))
            samples += [is_right(answer, gold, problem.choices) for answer in answers]
    return {"vote_accuracy": sum(labels) / len(labels), "sample_accuracy": sum(samples) / len(samples)}
