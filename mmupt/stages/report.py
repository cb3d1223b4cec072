"""The report stage: a run, a pipeline or two evaluations in; report.html, .md and .json out, beside them."""

import json
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from mmupt import console
from mmupt.errors import UserError
from mmupt.reporting.assemble import report_of, report_of_two, write
from mmupt.reporting.blocks import Heading, Paragraph, Report, Table
from mmupt.reporting.evaluation import evaluation_report
from mmupt.reporting.provenance import PROVENANCE
from mmupt.reporting.runs import Run, Scored, open_run, scored
from mmupt.reporting.scores import score_table
from mmupt.types import JsonValue, Problem

PIPELINE = "pipeline.json"
_ROWS, _WIDE = 20, 60
"""Rows of a table and characters of a cell that the console shows."""


def report(run: Path, other: Path | None = None) -> dict[str, JsonValue]:
    """Report on one run or pipeline; with two runs, on what changed from the first to the second."""
    if other is not None:
        return _compare(run, other)
    if (run / PIPELINE).is_file():
        return report_pipeline(run)
    one = open_run(run, run.resolve().name)
    if one.stage == "evaluate":
        return _told(report_evaluation(run))
    return _told(write(report_of(one.label, [one], []), run))


def report_evaluation(run: Path, known: Mapping[str, Mapping[str, Problem]] | None = None) -> list[Path]:
    """The report of each benchmark of an evaluation, which need not be marked as done, and one of all where there are
    several. `known` are the problems of each benchmark by id, where they are at hand."""
    one = open_run(run, run.resolve().name, finished=False)
    evaluations = scored(one, base=False)
    files = []
    for each in evaluations:
        name = str(each.results["benchmark"])
        files += write(evaluation_report(each, None if known is None else known.get(name)), each.folder)
    if len(evaluations) > 1:
        files += write(report_of(one.label, [one], evaluations), run)
    return files


def report_pipeline(folder: Path) -> dict[str, JsonValue]:
    """The report of all stages, after one table of the scores."""
    described = json.loads((folder / PIPELINE).read_bytes())
    runs: list[Run] = []
    evaluations: list[Scored] = []
    for stage in described["stages"]:
        if stage["use"] == "merge":
            continue
        run = open_run(folder / stage["name"], stage["label"])
        runs.append(run)
        if run.stage == "evaluate":
            evaluations += scored(run, base=not stage["needs"])
    if (table := score_table(evaluations)) is not None:
        console.table(table.caption, table.columns, table.rows)
    return _told(write(report_of(described["name"], runs, evaluations), folder))


def _compare(run: Path, other: Path) -> dict[str, JsonValue]:
    before, after = (_evaluations(folder) for folder in (run, other))
    pairs = [(before[name], after[name]) for name in before if name in after]
    if not pairs:
        what = f"evaluates {', '.join(after)}, and {run} {', '.join(before)}"
        raise UserError(what, where=str(other), fix="name two runs with a benchmark in common")
    compared = report_of_two(pairs)
    files = write(compared, other, "comparison")
    _say(compared)
    return _told(files)


def _evaluations(folder: Path) -> dict[str, Scored]:
    """Benchmark -> its evaluation in this run."""
    found = scored(open_run(folder, folder.resolve().name), base=False)
    if not found:
        raise UserError("holds no evaluation", where=str(folder), fix="name a run of mmupt eval")
    return {str(each.results["benchmark"]): each for each in found}


def _say(compared: Report) -> None:
    """The comparison in short; the files have all of it."""
    for block in takewhile(lambda block: block != PROVENANCE, compared.blocks):
        if isinstance(block, Heading | Paragraph):
            console.say(block.text)
        elif isinstance(block, Table):
            rows = [[" ".join(str(cell).split())[:_WIDE] for cell in row] for row in block.rows[:_ROWS]]
            console.table(block.caption, block.columns, rows)


def _told(files: list[Path]) -> dict[str, JsonValue]:
    console.say("\n".join(str(file) for file in files))
    return {"files": [file.name for file in files]}
