"""An audit -> its page: the verdict first, then the numbers behind it; several -> their part of a report."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise

from mmupt.reporting.blocks import Block, Heading, Line, Paragraph, Plot, Report, Table
from mmupt.reporting.runs import Run, number, numbers
from mmupt.types import JsonValue

SAID = {
    "questions": "questions",
    "completions": "completions",
    "abstention": "completions without an answer",
    "vote_share": "mean vote share",
    "no_winner": "questions without a winner",
    "unanimous": "questions of one mind",
    "useful": "useful questions: a winner, and someone who disagrees",
    "common_answer": "most common answer over all questions",
    "common_answer_share": "its share of all completions",
    "common_label": "most common label",
    "common_label_share": "its share of all labels",
    "amplification": "how much more often it is a label than an answer",
    "vote_accuracy": "labels that are right (gold answers)",
    "sample_accuracy": "completions that are right (gold answers)",
}


def audit_report(title: str, verdict: str, found: Mapping[str, JsonValue]) -> Report:
    """The page of one audit; `found` is what lies in its survey.json."""
    shown = [(said, found[name]) for name, said in SAID.items() if name in found]
    rows = tuple((said, _cell(value)) for said, value in shown)
    counts = numbers(found["share_histogram"])
    edges = [place / len(counts) for place in range(len(counts) + 1)]
    shares = tuple(
        (f"{low:.1f} to {high:.1f}", int(count)) for (low, high), count in zip(pairwise(edges), counts, strict=True)
    )
    middles = tuple((low + high) / 2 for low, high in pairwise(edges))
    plot = Plot("questions by vote share", "vote share", (Line("questions", middles, tuple(counts)),), bars=True)
    numbers_shown = Table("What the votes look like", ("", "value"), rows)
    by_share = Table("Questions by vote share", ("vote share", "questions"), shares)
    blocks: Sequence[Block] = (Paragraph(verdict), numbers_shown, by_share, plot)
    return Report(title, tuple(blocks))


def audit_blocks(runs: Sequence[Run]) -> list[Block]:
    """What a pipeline's audits say: one line each; their own pages have the rest."""
    if not runs:
        return []
    found = [json.loads((run.folder / "survey.json").read_bytes()) for run in runs]
    names = ("questions", "useful", "abstention", "vote_share", "amplification")
    rows = tuple(
        (run.label, str(each["verdict"]), *(_cell(each[name]) for name in names))
        for run, each in zip(runs, found, strict=True)
    )
    return [
        Heading("Audits before training"),
        Table("Audits", ("run", "verdict", *(SAID[name] for name in names)), rows),
    ]


def _cell(value: JsonValue) -> str | int:
    if isinstance(value, str | int):
        return value
    return "none" if value is None else f"{number(value):.3f}"
