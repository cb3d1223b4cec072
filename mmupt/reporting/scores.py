"""Evaluations -> one table with intervals and paired differences to the base, and the same as a plot."""

from collections.abc import Iterator, Sequence

from mmupt import metrics
from mmupt.reporting.blocks import Block, Cell, Heading, Interval, Intervals, Table, percent, signed, spread
from mmupt.reporting.groups import Group, group, samples
from mmupt.reporting.runs import Scored, mapping, number, numbers

COLUMNS = ("model", "T", "questions", "samples", "accuracy %", "maj@k %", "pass@k %", "difference to base (points)")


def score_blocks(evaluations: Sequence[Scored]) -> list[Block]:
    """All models side by side, seeds taken together, by benchmark and temperature."""
    if not evaluations:
        return []
    groups = group(evaluations)
    rows = tuple(_row(each, base_of(each.first, evaluations)) for each in groups)
    means = tuple(_interval(each) for each in groups)
    title = "Scores with 95 % intervals"
    return [Heading("Scores"), Table(title, COLUMNS, rows), Intervals("Accuracy of single samples", means)]


def detail_blocks(evaluations: Sequence[Scored]) -> list[Block]:
    """The scores of each seed, and accuracy by everything that the benchmarks break it down by."""
    groups = group(evaluations)
    tables = [*_seeds(groups, evaluations), *_breakdowns(groups)]
    return [Heading("Scores in detail"), *tables] if tables else []


def score_table(evaluations: Sequence[Scored]) -> Table | None:
    """The table alone, for the console."""
    return next((block for block in score_blocks(evaluations) if isinstance(block, Table)), None)


def base_of(one: Scored, evaluations: Sequence[Scored]) -> Scored | None:
    """The base's evaluation on the same questions at the same temperature; None for the base itself."""
    return None if one.base else next((each for each in evaluations if each.base and each.comparable(one)), None)


def difference(after: Scored, before: Scored) -> metrics.Estimate:
    """Paired over the problems that both answered."""
    return Group(after.label, (after,)).gain(before)


def told(name: str, one: Scored) -> str:
    """A score with its interval, or nothing where it was not measured; `name` may end in "@", whatever k is."""
    intervals = mapping(one.results["intervals"])
    keys = one.score_names(name)
    scores = mapping(one.results["scores"])
    return spread(number(scores[keys[0]]), numbers(intervals[keys[0]])) if keys else ""


def _row(row: Group, base: Scored | None) -> tuple[Cell, ...]:
    label = row.label if len(row.members) == 1 else f"{row.label} ({len(row.members)} seeds)"
    head = (label, row.first.temperature, len(row.ids), samples(row.first))
    if len(row.members) == 1:
        scores = tuple(told(name, row.first) for name in ("accuracy", "maj@", "pass@"))
    else:
        pooled = row.accuracy(row.ids)
        means = [row.mean(name) for name in ("maj@", "pass@")]
        shown = ("" if mean is None else percent(mean) for mean in means)
        scores = (spread(pooled.mean, (pooled.low, pooled.high)), *shown)
    return (*head, *scores, _gain(row, base))


def _gain(row: Group, base: Scored | None) -> str:
    if base is None:
        return ""
    gain = row.gain(base)
    return signed(gain.mean, (gain.low, gain.high))


def _interval(row: Group) -> Interval:
    estimate = row.accuracy(row.ids)
    return Interval(f"{row.label}, {row.first.heat}", estimate.mean, estimate.low, estimate.high)


def _seeds(groups: Sequence[Group], evaluations: Sequence[Scored]) -> Iterator[Block]:
    alone = [Group(one.label, (one,)) for each in groups if len(each.members) > 1 for one in each.members]
    if alone:
        yield Table("Each seed", COLUMNS, tuple(_row(each, base_of(each.first, evaluations)) for each in alone))


def _breakdowns(groups: Sequence[Group]) -> Iterator[Block]:
    """One table a benchmark, temperature and kind: a column a model, a row a value."""
    for leader in [each for each in groups if _leads(each, groups)]:
        together = [each for each in groups if each.first.comparable(leader.first)]
        heading = f"{leader.first.results['benchmark']}, {leader.first.heat}"
        for name in mapping(leader.first.results["breakdowns"]):
            members = _members(leader.first, name)
            rows = tuple((value, *(_share(each, ids) for each in together)) for value, ids in sorted(members.items()))
            if len(rows) > 1:
                columns = (name, *(each.label for each in together))
                yield Table(f"Accuracy in % by {name} ({heading})", columns, rows)


def _leads(one: Group, groups: Sequence[Group]) -> bool:
    return one is next(each for each in groups if each.first.comparable(one.first))


def _members(one: Scored, name: str) -> dict[str, list[str]]:
    """Value of `name` -> the problems that have it."""
    members: dict[str, list[str]] = {}
    for row in one.questions:
        value = mapping(row["meta"]).get(name)
        for each in value if isinstance(value, list) else [] if value is None else [value]:
            members.setdefault(str(each), []).append(str(row["id"]))
    return members


def _share(one: Group, ids: Sequence[str]) -> str:
    known = set(one.ids)
    here = [id for id in ids if id in known]
    if not here:
        return ""
    estimate = one.accuracy(here)
    return spread(estimate.mean, (estimate.low, estimate.high))
