"""Training runs -> curves, one plot a metric with one line a run."""

from collections.abc import Sequence

from mmupt.reporting.blocks import Block, Heading, Line, Plot, Table
from mmupt.reporting.groups import seedless
from mmupt.reporting.runs import Row, Run, rows

CURVES = {
    "reward": "mean reward",
    "vote_share": "vote share of the largest class",
    "abstention": "completions without an answer",
    "tie_rate": "groups with a tie",
    "common_answer_share": "share of the most common answer over all questions",
    "answer_entropy": "entropy of all answers (nats)",
    "kl": "KL to the untrained model (per token)",
    "length": "completion length (tokens)",
    "truncation": "truncated completions",
    "grad_norm": "gradient norm",
}
SUMMARY = ("reward", "vote_share", "abstention", "answer_entropy")


def training_blocks(runs: Sequence[Run]) -> list[Block]:
    """Curves of all runs, and what was right where the run was audited."""
    if not runs:
        return []
    logs = [(run.label, rows(run, "metrics.jsonl")) for run in runs]
    audits = [(run.label, rows(run, "audit.jsonl")) for run in runs]
    plots: list[Block] = [plot for name, caption in CURVES.items() if (plot := _plot(caption, name, logs)) is not None]
    known = dict.fromkeys(name for _, log in audits for row in log for name in row if name != "step")
    plots += [plot for name in known if (plot := _plot(f"audit: {name.replace('_', ' ')}", name, audits)) is not None]
    return [Heading("Training"), _summary(logs), *plots]


def _plot(caption: str, name: str, logs: Sequence[tuple[str, Sequence[Row]]]) -> Plot | None:
    lines = []
    kinds = list(dict.fromkeys(seedless(label) for label, _ in logs))
    for label, log in logs:
        points = [
            (float(step), float(y))
            for row in log
            if (step := _number(row, "step")) is not None and (y := _number(row, name)) is not None
        ]
        if points:
            lines.append(
                Line(label, tuple(x for x, _ in points), tuple(y for _, y in points), kinds.index(seedless(label)))
            )
    return Plot(caption, "step", tuple(lines)) if lines and any(any(line.y) for line in lines) else None


def _summary(logs: Sequence[tuple[str, Sequence[Row]]]) -> Table:
    columns = ("run", "steps", *(f"{name.replace('_', ' ')}: first, last" for name in SUMMARY))
    return Table("Training at a glance", columns, tuple(_summary_row(label, log) for label, log in logs))


def _summary_row(label: str, log: Sequence[Row]) -> tuple[str | int, ...]:
    ends = [log[0], log[-1]] if log else []
    told = [", ".join(f"{value:.3f}" for row in ends if (value := _number(row, name)) is not None) for name in SUMMARY]
    return (label, len(log), *told)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
