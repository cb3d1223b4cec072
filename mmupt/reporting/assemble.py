"""Runs -> one report, and a report -> its three files."""

import json
from collections.abc import Sequence
from pathlib import Path

from mmupt.disk import write_atomic
from mmupt.reporting.audit import audit_blocks
from mmupt.reporting.blocks import Block, Report, as_json
from mmupt.reporting.comparison import comparison_blocks
from mmupt.reporting.markdown import markdown
from mmupt.reporting.page import html
from mmupt.reporting.provenance import provenance_blocks
from mmupt.reporting.questions import evaluated_questions, trained_questions
from mmupt.reporting.runs import Run, Scored
from mmupt.reporting.scores import detail_blocks, score_blocks
from mmupt.reporting.synthesis import synthesis_blocks
from mmupt.reporting.training import training_blocks


def report_of(title: str, runs: Sequence[Run], evaluations: Sequence[Scored]) -> Report:
    """Scores first, then what led to them: curves, questions with answers, synthesis; then the details."""
    questions = evaluated_questions(evaluations)
    shown: list[Block] = [] if questions is None else [questions]
    trained = [run for run in runs if run.stage == "train"]
    if questions is None:
        shown = [trained_questions(run) for run in trained]
    blocks = [
        *score_blocks(evaluations),
        *training_blocks(trained),
        *shown,
        *synthesis_blocks([run for run in runs if run.stage == "synthesize"]),
        *audit_blocks([run for run in runs if run.stage == "audit"]),
        *detail_blocks(evaluations),
        *provenance_blocks(runs, evaluations),
    ]
    return Report(title, tuple(blocks))


def report_of_two(pairs: Sequence[tuple[Scored, Scored]]) -> Report:
    """What changed between two runs, in each benchmark that both evaluated."""
    before, after = pairs[0]
    evaluations = [one for pair in pairs for one in pair]
    blocks = [block for pair in pairs for block in comparison_blocks(*pair)]
    blocks += provenance_blocks([before.run, after.run], evaluations)
    return Report(f"{before.run.label} and {after.run.label}", tuple(blocks))


def write(report: Report, folder: Path, name: str = "report") -> list[Path]:
    """NAME.json, NAME.md and NAME.html."""
    texts = {
        "json": json.dumps(as_json(report), indent=1, ensure_ascii=False) + "\n",
        "md": markdown(report),
        "html": html(report),
    }
    for suffix, text in texts.items():
        write_atomic(folder / f"{name}.{suffix}", text.encode("utf-8", errors="replace"))
    return [folder / f"{name}.{suffix}" for suffix in texts]
