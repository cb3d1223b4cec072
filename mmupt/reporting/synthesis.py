"""Synthesis runs -> what was written, what each filter dropped, how sure the votes were, and some of the questions."""

import json
from collections.abc import Sequence
from hashlib import sha256

from mmupt import problems
from mmupt.errors import UserError
from mmupt.prompts import question_text
from mmupt.reporting.blocks import Block, Cell, Heading, Line, Plot, Question, Questions, Table
from mmupt.reporting.pictures import thumbnails
from mmupt.reporting.runs import Run, mapping, number
from mmupt.types import JsonValue

SHOWN = 6


def synthesis_blocks(runs: Sequence[Run]) -> list[Block]:
    """One table of all runs, the distribution of vote shares, and some kept questions of each run."""
    if not runs:
        return []
    counts = [json.loads((run.folder / "filters.json").read_bytes()) for run in runs]
    return [Heading("Questions written by the model"), _table(runs, counts), _shares(runs, counts), *map(_kept, runs)]


def _table(runs: Sequence[Run], counts: Sequence[dict[str, JsonValue]]) -> Table:
    drops = dict.fromkeys(name for each in counts for name in mapping(each["dropped"]))
    columns = ("run", "written", *(f"dropped: {name}" for name in drops), "kept")
    rows: list[tuple[Cell, ...]] = []
    for run, each in zip(runs, counts, strict=True):
        dropped = [int(number(mapping(each["dropped"]).get(name, 0))) for name in drops]
        rows.append((run.label, int(number(each["written"])), *dropped, int(number(each["kept"]))))
    return Table("Filters", columns, tuple(rows))


def _shares(runs: Sequence[Run], counts: Sequence[dict[str, JsonValue]]) -> Plot:
    lines = []
    for colour, (run, each) in enumerate(zip(runs, counts, strict=True)):
        histogram = each["share_histogram"] if isinstance(each["share_histogram"], list) else []
        bins = tuple(number(value) for value in histogram)
        lines.append(Line(run.label, tuple((i + 1) / len(bins) for i in range(len(bins))), bins, colour))
    return Plot("questions by vote share (up to)", "vote share", tuple(lines), bars=True)


def _kept(run: Run) -> Questions:
    try:
        written = problems.load(str(run.folder)).problems
    except UserError:  # the pictures have been deleted since: the counts still tell the story
        written = ()
    chosen = sorted(written, key=lambda each: sha256(each.id.encode()).hexdigest())[:SHOWN]
    cards = tuple(
        Question(each.id, thumbnails(each), question_text(each.question, each.choices), None, _note(each.meta), ())
        for each in chosen
    )
    return Questions(f"{run.label}: some of the kept questions", cards)


def _note(meta: object) -> str:
    share = meta.get("vote_share") if isinstance(meta, dict) else None
    return f"vote share {share:.2f}" if isinstance(share, int | float) else ""
