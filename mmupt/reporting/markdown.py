"""A report -> Markdown: the same blocks; a plot becomes a table of some of its points, a picture is left out."""

from collections.abc import Iterator

from mmupt.reporting.blocks import (
    Block,
    Heading,
    Intervals,
    Paragraph,
    Plot,
    Question,
    Report,
    Responses,
    Table,
    Tally,
    Verbatim,
    spread,
)

FAILED = 50
"""Responses that are not correct, of which the text tells."""
_SPECIAL = str.maketrans(
    {**{character: f"\\{character}" for character in "\\`*_{}[]#|$~"}, "<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def markdown(report: Report) -> str:
    """The whole text."""
    parts = [f"# {plain(report.title)}", *(part for block in report.blocks for part in _block(block))]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text as one line that no Markdown reader takes for anything else."""
    return " ".join(text.split()).translate(_SPECIAL)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"## {plain(block.text)}"
    elif isinstance(block, Paragraph):
        yield plain(block.text)
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Intervals):
        rows = tuple((row.label, spread(row.mean, (row.low, row.high))) for row in block.rows)
        yield from _table(Table(block.caption, ("", "% with 95 % interval"), rows))
    elif isinstance(block, Plot):
        yield from _plot(block)
    elif isinstance(block, Responses):
        yield from _responses(block)
    elif isinstance(block, Verbatim):
        yield f"**{plain(block.caption)}**"
        yield "\n".join(f"    {line}" for line in block.text.splitlines())
    else:
        yield f"### {plain(block.caption)}"
        yield "\n".join(line for card in block.cards for line in _card(card))


def _table(block: Table) -> Iterator[str]:
    yield f"**{plain(block.caption)}**"
    lines = [_line(block.columns), "|" + "---|" * len(block.columns), *(_line(row) for row in block.rows)]
    yield "\n".join(lines)


def _line(cells: tuple[object, ...]) -> str:
    shown = ("" if cell is None else f"{cell:g}" if isinstance(cell, float) else plain(str(cell)) for cell in cells)
    return f"| {' | '.join(shown)} |"


def _plot(block: Plot) -> Iterator[str]:
    rows = []
    for line in block.lines:
        places = sorted({0, len(line.x) // 2, len(line.x) - 1})
        rows.append((line.label, *(f"{line.y[i]:.4g} (at {line.x[i]:g})" for i in places), *[""] * (3 - len(places))))
    yield from _table(Table(block.caption, ("", "first", "middle", "last"), tuple(rows)))


def _responses(block: Responses) -> Iterator[str]:
    """Some of those that are not correct; the page shows the others."""
    failed = [(card, said) for card in block.cards for said in card.said if said.verdict != "correct"]
    if not failed:
        return
    rows = tuple(
        (card.id, card.gold, said.extracted, f"{said.verdict}: {said.reason}{', cut off' if said.cut else ''}")
        for card, said in failed[:FAILED]
    )
    more = f" ({FAILED} of {len(failed)})" if len(failed) > FAILED else ""
    yield from _table(Table(f"Not correct{more}", ("question", "gold", "extracted", "verdict"), rows))


def _card(card: Question) -> Iterator[str]:
    gold = "" if card.gold is None else f" Gold: {plain(card.gold)}."
    note = f" ({plain(card.note)})" if card.note else ""
    yield f"- **{plain(card.id)}** {plain(card.text)}{gold}{note}"
    for answers in card.answers:
        yield f"  - {plain(answers.label)}: {'; '.join(map(_tally, answers.tallies))}"


def _tally(tally: Tally) -> str:
    shown = "no answer" if tally.answer is None else plain(tally.answer)
    mark = {"right": " right", "wrong": " wrong", "none": "", "unknown": ""}[tally.mark]
    return f"{shown} x{tally.count}{mark}{', voted' if tally.voted else ''}"
