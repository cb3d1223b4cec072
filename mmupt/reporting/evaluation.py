"""One evaluation -> its report: scores, what the benchmark breaks them down by, the responses, how they came about."""

from collections.abc import Iterator, Mapping

from mmupt.reporting.blocks import (
    Block,
    Cell,
    Heading,
    Paragraph,
    Report,
    Table,
    Verbatim,
    percent,
    spread,
)
from mmupt.reporting.provenance import provenance_blocks
from mmupt.reporting.responses import response_cards, shortened
from mmupt.reporting.runs import Scored, mapping, number, numbers
from mmupt.types import JsonValue, Problem

DISPUTED = 200


def evaluation_report(one: Scored, known: Mapping[str, Problem] | None = None) -> Report:
    """The whole report; `known` are the problems by id, for their pictures, where they are at hand."""
    blocks = [
        *_scores(one),
        *_breakdowns(one),
        *_second_opinion(one),
        Heading("Responses"),
        response_cards(one, known),
        *_protocol(one),
        *provenance_blocks([one.run], [one]),
    ]
    return Report(f"{one.results['benchmark']}: {one.label}", tuple(blocks))


def _scores(one: Scored) -> Iterator[Block]:
    scores, intervals, rates = (mapping(one.results[key]) for key in ("scores", "intervals", "rates"))
    rows: list[tuple[Cell, ...]] = []
    for name, value in scores.items():
        known = name in intervals
        rows.append((name, spread(number(value), numbers(intervals[name])) if known else percent(number(value))))
    rows += [(f"{name} rate", percent(number(value))) for name, value in rates.items()]
    left = mapping(one.results["provenance"]).get("without_response")
    missing = f" {left} more problems have no response here and are left out." if left else ""
    yield Heading("Scores")
    yield Paragraph(f"{one.results['n']} problems, judged by {one.results['judge']}.{missing}")
    yield Table("Per cent, with 95 % interval", ("", "%"), tuple(rows))


def _breakdowns(one: Scored) -> Iterator[Block]:
    found = mapping(one.results["breakdowns"])
    if any(found.values()):
        yield Heading("Breakdowns")
    for name, table in found.items():
        if isinstance(table, dict) and table:
            shares = all(
                isinstance(cell, dict) and {"n", "accuracy", "interval"} <= cell.keys() for cell in table.values()
            )
            yield _shares(name, table) if shares else _plain(name, table)
        elif not isinstance(table, dict):
            yield _plain(name, {name: table})


def _shares(name: str, table: Mapping[str, JsonValue]) -> Table:
    cells = [(value, mapping(cell)) for value, cell in table.items()]
    rows = tuple(
        (value, int(number(cell["n"])), spread(number(cell["accuracy"]), numbers(cell["interval"])))
        for value, cell in cells
    )
    return Table(f"Accuracy in % by {name}", (name, "questions", "accuracy %"), rows)


def _plain(name: str, table: Mapping[str, JsonValue]) -> Table:
    """A table of the benchmark's own, whatever its shape: one row a number."""
    return Table(name.replace("_", " "), ("", "value"), tuple(_leaves(table, "")))


def _leaves(value: JsonValue | Mapping[str, JsonValue], path: str) -> Iterator[tuple[Cell, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}, {key}" if path else str(key))
    elif isinstance(value, list):
        yield path, ", ".join(str(each) for each in value)
    else:
        yield path, "" if value is None else value


def _second_opinion(one: Scored) -> Iterator[Block]:
    origin = mapping(one.results["provenance"]).get("second")
    if not isinstance(origin, dict):
        return
    rows: list[tuple[Cell, ...]] = []
    for id, samples in one.samples_of.items():
        for row in samples:
            opinion = mapping(row["second"])
            if (row["verdict"] == "correct") != (opinion["verdict"] == "correct"):
                verdicts = (str(row["verdict"]), str(opinion["verdict"]))
                rows.append((id, str(row["gold"]), str(row["extracted"]), *verdicts, shortened(str(opinion["reply"]))))
    more = f", the first {DISPUTED} of {len(rows)}" if len(rows) > DISPUTED else f": {len(rows)}"
    columns = ("question", "gold", "extracted", str(one.results["judge"]), str(origin["judge"]), "reply")
    yield Heading("Second opinion")
    yield Paragraph(f"Asked of {origin['model']} as {origin['judge']}; the scores are those of {one.results['judge']}.")
    yield Table(f"Disagreements{more}", columns, tuple(rows[:DISPUTED]))
    yield Verbatim("Its prompt", str(origin["prompt"]))


def _protocol(one: Scored) -> Iterator[Block]:
    rows = tuple((name, _shown(value)) for name, value in mapping(one.results["protocol"]).items())
    yield Heading("Protocol")
    yield Table("How the model was asked", ("setting", "value"), rows)


def _shown(value: JsonValue) -> Cell:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(nothing)"
    return str(value) if isinstance(value, bool | dict) or value is None else value
