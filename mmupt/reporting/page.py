"""A report -> one HTML file that needs no other file and runs no script. Everything that a model said is escaped."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from mmupt.reporting.blocks import (
    Answers,
    Block,
    Heading,
    Intervals,
    Paragraph,
    Plot,
    Question,
    Questions,
    Report,
    Responses,
    Table,
    Tally,
    Verbatim,
)
from mmupt.reporting.browser import browser, image
from mmupt.reporting.groups import seedless
from mmupt.reporting.plots import colour_of, intervals_svg, plot_svg
from mmupt.reporting.style import CSS

_HEAD = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SHORT = 24
"""Characters up to which a cell keeps to one line: a score with its interval does."""
_FOOTER = "A thick border marks the answer that won the vote; green is right. Made by mmupt."


def html(report: Report) -> str:
    """The whole page."""
    title = escape(report.title)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    head = f"<head>{_HEAD}{policy}<title>{title}</title><style>{CSS}</style></head>"
    body = "\n".join(_blocks(report.blocks))
    page = f"<body><main><h1>{title}</h1>\n{body}\n<footer>{_FOOTER}</footer></main></body>"
    return f'<!doctype html>\n<html lang="en">{head}\n{page}</html>\n'


def _blocks(blocks: Sequence[Block]) -> Iterator[str]:
    """Neighbouring plots share a grid."""
    for together, members in groupby(blocks, key=lambda block: isinstance(block, Plot)):
        if not together:
            yield from map(_block, members)
            continue
        plots = [block for block in members if isinstance(block, Plot)]
        yield f'{_legend(plots)}<div class="plots">{"".join(map(_plot, plots))}</div>'


def _legend(plots: Sequence[Plot]) -> str:
    labels = dict(sorted((line.colour, seedless(line.label)) for plot in plots for line in plot.lines))
    chips = (f"<span>{_swatch(colour)}{escape(label)}</span>" for colour, label in labels.items())
    return f'<div class="legend">{"".join(chips)}</div>' if len(labels) > 1 else ""


def _swatch(colour: int) -> str:
    return f'<i style="background:{colour_of(colour)}"></i>'


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h2>{escape(block.text)}</h2>"
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Intervals):
        return f'<h3>{escape(block.caption)}</h3><figure class="wide">{intervals_svg(block)}</figure>'
    if isinstance(block, Questions):
        cards = "\n".join(_card(card) for card in block.cards)
        return f'<h3>{escape(block.caption)}</h3>\n<div class="cards">{cards}</div>'
    if isinstance(block, Responses):
        return browser(block)
    if isinstance(block, Verbatim):
        return f"<h3>{escape(block.caption)}</h3><pre>{escape(block.text)}</pre>"
    return _plot(block)


def _plot(block: Plot) -> str:
    return f"<figure>{plot_svg(block)}</figure>"


def _table(block: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in block.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in block.rows)
    caption = f"<caption>{escape(block.caption)}</caption>"
    return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>'


def _cell(cell: object) -> str:
    text = "" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell)
    short = ' class="short"' if len(text) <= _SHORT else ""
    return f"<td{short}>{escape(text)}</td>"


def _card(card: Question) -> str:
    pictures = "".join(map(image, card.pictures))
    gold = "" if card.gold is None else f'<div class="who">gold: {escape(card.gold)}</div>'
    note = f'<div class="who">{escape(card.note)}</div>' if card.note else ""
    answers = "".join(_answers(each) for each in card.answers)
    question = f'<div class="question">{escape(card.text)}</div>'
    return f'<div class="card">{pictures}<div class="id">{escape(card.id)}</div>{question}{gold}{note}{answers}</div>'


def _answers(answers: Answers) -> str:
    tallies = "".join(_tally(each) for each in answers.tallies)
    example = f"<details><summary>one response</summary><pre>{escape(answers.example)}</pre></details>"
    return f'<div class="who">{escape(answers.label)}</div><div>{tallies}</div>{example}'


def _tally(tally: Tally) -> str:
    shown = "no answer" if tally.answer is None else tally.answer
    classes = f"tally {tally.mark}{' voted' if tally.voted else ''}"
    return f'<span class="{classes}">{escape(shown)} \u00d7{tally.count}</span>'
