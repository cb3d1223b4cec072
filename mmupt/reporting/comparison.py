"""Two evaluations of the same questions -> the paired difference, and the questions whose verdict flipped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from mmupt.errors import UserError
from mmupt.reporting.blocks import Block, Cell, Heading, Paragraph, Question, Questions, Table, percent, signed
from mmupt.reporting.pictures import Budget, of_benchmark
from mmupt.reporting.questions import evaluated_question
from mmupt.reporting.runs import Scored, mapping, number
from mmupt.reporting.scores import difference, told
from mmupt.types import JsonValue

_NO_DIFFERENCE = frozenset({"changed", "limit", "ids"})
"""What a protocol tells beyond how each question was asked."""
LISTED = 500
"""Flips of one direction in a table."""
SHOWN = 24
"""Flips of one direction with picture and responses."""


@dataclass(frozen=True)
class Flip:
    """A question whose share of right responses changed."""

    id: str
    before: float
    after: float


def comparison_blocks(before: Scored, after: Scored) -> list[Block]:
    """The difference after - before over the questions that both answered, and the flips in both directions."""
    ids = [id for id in before.samples_of if id in after.samples_of]
    if not ids:
        raise UserError("the two runs have no question in common", where=str(after.run.folder))
    flips = [flip for id in ids if (flip := Flip(id, before.share(id), after.share(id))).before != flip.after]
    better = _largest(flip for flip in flips if flip.after > flip.before)
    worse = _largest(flip for flip in flips if flip.after < flip.before)
    estimate = difference(after, before)
    said = (
        f"Over {estimate.n} common questions accuracy changes by "
        f"{signed(estimate.mean, (estimate.low, estimate.high))} points "
        f"(95 % interval): {len(better)} questions are answered better, {len(worse)} worse."
    )
    cautions = [Paragraph(caution) for caution in _cautions(before, after, len(ids))]
    name = before.results["benchmark"]
    return [
        Heading(f"Comparison: {name}"),
        Paragraph(said),
        *cautions,
        _scores(before, after),
        _table("Better", better, before, after),
        _table("Worse", worse, before, after),
        *_cards(before, after, better, worse),
    ]


def _cautions(before: Scored, after: Scored, common: int) -> Iterator[str]:
    """What else than the model may have made the difference."""
    judges = (before.results["judge"], after.results["judge"])
    if judges[0] != judges[1]:
        yield f"The judges differ: {judges[0]} and {judges[1]}."
    first, second = mapping(before.results["protocol"]), mapping(after.results["protocol"])
    changed = [key for key in first if key not in _NO_DIFFERENCE and first[key] != second.get(key)]
    if changed:
        yield f"The protocols differ in {', '.join(changed)}."
    alone = [len(each.samples_of) - common for each in (before, after)]
    if any(alone):
        yield f"Questions that only one of the two answered are left out: {alone[0]} and {alone[1]}."
    golds = [{id: rows[0]["gold"] for id, rows in each.samples_of.items()} for each in (before, after)]
    if any(golds[0][id] != golds[1][id] for id in golds[0].keys() & golds[1].keys()):
        yield "Some gold answers differ."


def _scores(before: Scored, after: Scored) -> Table:
    """Each run's own scores, over its own questions."""
    rows: list[tuple[Cell, ...]] = [("questions", len(before.samples_of), len(after.samples_of))]
    for name in mapping(before.results["scores"]):
        if name in mapping(after.results["scores"]):
            rows.append((f"{name} %", _score(name, before), _score(name, after)))
    return Table("Scores with 95 % interval", ("", before.label, after.label), tuple(rows))


def _score(name: str, one: Scored) -> str:
    if name in mapping(one.results["intervals"]):
        return told(name, one)
    return percent(number(mapping(one.results["scores"])[name]))


def _largest(flips: Iterator[Flip]) -> list[Flip]:
    return sorted(flips, key=lambda flip: (-abs(flip.after - flip.before), flip.id))


def _table(name: str, flips: Sequence[Flip], before: Scored, after: Scored) -> Table:
    rows = tuple(_row(flip, before, after) for flip in flips[:LISTED])
    caption = f"{name}: {len(flips)}{'' if len(flips) <= LISTED else f', the first {LISTED}'}"
    return Table(caption, ("question", "gold", "before %", "after %", "answer before", "answer after"), rows)


def _row(flip: Flip, before: Scored, after: Scored) -> tuple[Cell, ...]:
    first, second = before.samples_of[flip.id][0], after.samples_of[flip.id][0]
    answers = (_shown(first["extracted"]), _shown(second["extracted"]))
    return (flip.id, _shown(first["gold"]), percent(flip.before), percent(flip.after), *answers)


def _cards(before: Scored, after: Scored, better: Sequence[Flip], worse: Sequence[Flip]) -> Iterator[Questions]:
    """Some flips of each direction with picture and responses, the same ones for the same verdicts."""
    asked = {str(row["id"]): row for row in before.questions}
    known, budget = of_benchmark(after), Budget()
    for name, flips in {"Better": better, "Worse": worse}.items():
        spread = sorted(flips, key=lambda flip: (-abs(flip.after - flip.before), sha256(flip.id.encode()).hexdigest()))
        cards: list[Question] = []
        for flip in spread[:SHOWN]:
            pictures = budget.pictures(known.get(flip.id))
            cards.append(evaluated_question(flip.id, asked[flip.id], pictures, (before, after)))
        if cards:
            of = f", {len(cards)} of {len(flips)}" if len(cards) < len(flips) else ""
            yield Questions(f"{name}{of}", tuple(cards))


def _shown(value: JsonValue) -> str:
    return "(none)" if value is None else str(value)
