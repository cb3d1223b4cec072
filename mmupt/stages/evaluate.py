"""The evaluate stage: benchmarks and a model, or responses that exist already, in; verdicts and scores out.

    samples.jsonl      one row a response: id, index, response, extracted, gold, verdict (correct, wrong, abstained),
                       reason, judge, finish_reason, tokens; with the judge llm also its `second` opinion
    questions.jsonl    one row a problem: id, question, choices, gold, answer_type, precision, unit, meta
    results.json       the scores
    report.md, .html   the same to look at: scores, breakdowns, and the responses, which can be filtered

With several benchmarks each has a folder of its own, named after it. Responses are judged and put on disk as they come
(`generating`); a run that was killed goes on, and ends with the same bytes.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mmupt import console, judges
from mmupt.benchmarks import find, measures_of
from mmupt.config.evaluate import EvaluateConfig
from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.journal import encoded
from mmupt.judges.batch import judge_all
from mmupt.judges.contract import first_of
from mmupt.rundir import JsonlLog, RunDir
from mmupt.stages import results, second
from mmupt.stages.asked import Plan, planned
from mmupt.stages.generating import sample_all
from mmupt.stages.provenance import check_model, model_provenance
from mmupt.stages.report import report_evaluation
from mmupt.stages.rescoring import question_row, replanned
from mmupt.stages.responses import Response, sample_row
from mmupt.types import JsonValue, Problem


def evaluate(config: EvaluateConfig) -> dict[str, JsonValue]:
    """Run or resume it; returns the result that lies in done.json: {benchmark: the content of its results.json}."""
    plans = planned(config) if config.rescore is None else replanned(config)
    asks = any(plan.given is None for plan in plans)
    if asks:
        check_model(config.model, config.rollout.engine)
    if config.judge_model is not None:
        check_model(config.judge_model, config.second.engine)
    run = RunDir.open(Path(config.out), "evaluate", config)
    with closing(run):
        if run.done:
            _refuse_changed(run, plans)
        else:
            run.finish(_all(config, plans, asks))
        for plan in plans:
            results.show(json.loads((plan.folder / "results.json").read_bytes()))
            console.say(f"{plan.folder / 'report.html'}")
        return run.result()


def _all(config: EvaluateConfig, plans: Sequence[Plan], asks: bool) -> dict[str, JsonValue]:
    """Everything but the mark that it is done."""
    for plan in plans:
        if plan.given is not None:
            _judge(config, plan, plan.given)
    sample_all(config, [plan for plan in plans if plan.given is None])
    made: dict[str, JsonValue] = model_provenance(config.model, config.rollout.engine) if asks else {}
    judge = judges.second_of(config.judge)
    if judge is not None:
        second.ask_all(config, judge, plans)
        made["second"] = second.provenance(config)
    found: dict[str, JsonValue] = {plan.name: _score(config, plan, made) for plan in plans}
    report_evaluation(Path(config.out), _known(plans))
    return found


def _known(plans: Sequence[Plan]) -> dict[str, dict[str, Problem]] | None:
    """The problems with their pictures, for the report; what a run keeps of them has none."""
    if any(plan.provenance.get("rescored") for plan in plans):
        return None
    return {plan.name: {problem.id: problem for problem in plan.asked} for plan in plans}


def _refuse_changed(run: RunDir, plans: Sequence[Plan]) -> None:
    """A finished run does not speak for data or responses that have changed since."""
    for plan in plans:
        told = json.loads((plan.folder / "results.json").read_bytes())["provenance"]
        for key, what in {"responses_sha256": "responses have", "data_sha256": "data have"}.items():
            if told.get(key) != plan.provenance.get(key):
                fix = "give another --out, or delete this folder"
                raise UserError(f"the {what} changed since they were scored here", where=str(run.path), fix=fix)


def _judge(config: EvaluateConfig, plan: Plan, given: Sequence[Sequence[Response]]) -> None:
    """The verdicts on responses that exist already, all at once: they are made again faster than taken up."""
    asked = [(problem, response) for problem, group in zip(plan.asked, given, strict=True) for response in group]
    label = judges.label(first_of(config.judge))
    verdicts = judge_all(
        config.judge, plan.name, [(problem, response.text, response.truncated) for problem, response in asked]
    )
    rows: list[dict[str, JsonValue]] = []
    with console.progress(len(asked), "judge") as progress:
        for portion in verdicts:
            here = asked[len(rows) : len(rows) + len(portion)]
            rows += [sample_row(*pair, verdict, label) for pair, verdict in zip(here, portion, strict=True)]
            progress.advance(len(portion), plan.name)
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_atomic(plan.folder / "samples.jsonl", encoded(rows))


def _score(config: EvaluateConfig, plan: Plan, made: dict[str, JsonValue]) -> dict[str, JsonValue]:
    write_atomic(plan.folder / "questions.jsonl", encoded(question_row(problem) for problem in plan.asked))
    rows = JsonlLog(plan.folder / "samples.jsonl").read()
    bench = find(plan.name)
    scored = results.score(plan.asked, rows, bench.BREAKDOWNS, measures_of(bench))
    found: dict[str, JsonValue] = {
        "benchmark": plan.name,
        "n": len(plan.asked),
        "protocol": plan.protocol,
        "judge": judges.label(first_of(config.judge)),
        **scored,
        "provenance": {**made, **plan.provenance},
    }
    write_atomic(plan.folder / "results.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found
