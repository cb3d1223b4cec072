"""Two evaluations of the same questions -> the paired difference and the questions whose verdict flipped."""

from mmupt.errors import UserError
from mmupt.reporting.blocks import Block, Cell, Heading, Paragraph, Table, percent, signed
from mmupt.reporting.runs import Scored
from mmupt.reporting.scores import difference, told

FLIPS = 200


def comparison_blocks(before: Scored, after: Scored) -> list[Block]:
    """The difference after - before over the questions that both answered, and the flips, largest first."""
    if not (ids := [id for id in before.samples_of if id in after.samples_of]):
        raise UserError("the two runs have no question in common", where=str(after.run.folder))
    estimate = difference(after, before)
    rows = [(each.label, len(each.samples_of), told("accuracy", each)) for each in (before, after)]
    flips = sorted(_flips(before, after, ids), key=lambda row: (-abs(row[0]), row[1]))
    gained = sum(change > 0 for change, *_ in flips)
    said = (
        f"Over {estimate.n} common questions accuracy changes by "
        f"{signed(estimate.mean, (estimate.low, estimate.high))} points "
        f"(95 % interval): {gained} questions are answered better, {len(flips) - gained} worse."
    )
    shown: tuple[tuple[Cell, ...], ...] = tuple(row[1:] for row in flips[:FLIPS])
    caption = f"Flips{'' if len(flips) <= FLIPS else f', the first {FLIPS} of {len(flips)}'}"
    table = Table(caption, ("question", "gold", "before %", "after %", "answer before", "answer after"), shown)
    scores = Table("Accuracy with 95 % interval", ("run", "questions", "accuracy %"), tuple(rows))
    return [Heading("Comparison"), Paragraph(said), scores, table]


def _flips(before: Scored, after: Scored, ids: list[str]) -> list[tuple[float, str, str, str, str, str, str]]:
    flips = []
    for id in ids:
        old, new = (sum(each.correct(id)) / len(each.samples_of[id]) for each in (before, after))
        if old != new:
            first, second = before.samples_of[id][0], after.samples_of[id][0]
            answers = (_shown(first["extracted"]), _shown(second["extracted"]))
            flips.append((new - old, id, _shown(first["gold"]), percent(old), percent(new), *answers))
    return flips


def _shown(value: object) -> str:
    return "(none)" if value is None else str(value)
