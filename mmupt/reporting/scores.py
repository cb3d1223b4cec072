"""Evaluations -> one table with intervals and paired differences to the base, and the same as a plot."""

from collections.abc import Iterator, Sequence

from mmupt import metrics
from mmupt.reporting.blocks import Block, Cell, Heading, Interval, Intervals, Table, signed, spread
from mmupt.reporting.runs import Scored, mapping, number, numbers

COLUMNS = ("model", "T", "questions", "samples", "accuracy %", "maj@k %", "pass@k %", "difference to base (points)")


def score_blocks(evaluations: Sequence[Scored]) -> list[Block]:
    """All evaluations side by side, by temperature."""
    if not evaluations:
        return []
    ordered = sorted(evaluations, key=lambda each: (str(each.results["benchmark"]), -each.temperature))
    table = Table(
        "Scores with 95 % intervals", COLUMNS, tuple(_row(each, base_of(each, evaluations)) for each in ordered)
    )
    means = tuple(_interval(each) for each in ordered)
    return [Heading("Scores"), table, Intervals("Accuracy of single samples", means)]


def breakdown_blocks(evaluations: Sequence[Scored]) -> list[Block]:
    """Accuracy by everything that the benchmarks break it down by."""
    tables = list(_breakdowns(evaluations))
    return [Heading("Scores by kind of question"), *tables] if tables else []


def score_table(evaluations: Sequence[Scored]) -> Table | None:
    """The table alone, for the console."""
    return next((block for block in score_blocks(evaluations) if isinstance(block, Table)), None)


def base_of(one: Scored, evaluations: Sequence[Scored]) -> Scored | None:
    """The base's evaluation on the same questions at the same temperature."""
    return next((each for each in evaluations if each.base and each is not one and each.comparable(one)), None)


def difference(after: Scored, before: Scored) -> metrics.Estimate:
    """Paired over the problems that both answered."""
    ids = [id for id in before.samples_of if id in after.samples_of]
    return metrics.paired_difference([after.correct(id) for id in ids], [before.correct(id) for id in ids])


def told(name: str, one: Scored) -> str:
    """A score with its interval, or nothing where it was not measured; `name` may end in "@", whatever k is."""
    scores, intervals = mapping(one.results["scores"]), mapping(one.results["intervals"])
    key = next((key for key in scores if key == name or (name.endswith("@") and key.startswith(name))), None)
    return "" if key is None else spread(number(scores[key]), numbers(intervals[key]))


def _row(one: Scored, base: Scored | None) -> tuple[Cell, ...]:
    samples = int(number(mapping(one.results["protocol"])["samples"]))
    gain = ""
    if base is not None and not one.base:
        estimate = difference(one, base)
        gain = signed(estimate.mean, (estimate.low, estimate.high))
    scores = (told("accuracy", one), told("maj@", one), told("pass@", one))
    return (one.label, one.temperature, int(number(one.results["n"])), samples, *scores, gain)


def _interval(one: Scored) -> Interval:
    low, high = numbers(mapping(one.results["intervals"])["accuracy"])
    mean = number(mapping(one.results["scores"])["accuracy"])
    return Interval(f"{one.label}, T = {one.temperature:g}", mean, low, high)


def _breakdowns(ordered: Sequence[Scored]) -> Iterator[Block]:
    names = dict.fromkeys(name for each in ordered for name in mapping(each.results["breakdowns"]))
    for name in names:
        parts = [mapping(mapping(each.results["breakdowns"]).get(name, {})) for each in ordered]
        values = sorted({value for part in parts for value in part})
        columns = (name, *(f"{each.label}, T = {each.temperature:g}" for each in ordered))
        rows = tuple((value, *(_share(part.get(value)) for part in parts)) for value in values)
        if rows:
            yield Table(f"Accuracy in % by {name}", columns, rows)


def _share(part: object) -> str:
    if not isinstance(part, dict):
        return ""
    return spread(number(part["accuracy"]), numbers(part["interval"]))
