"""The logs of a training run: metrics.jsonl and guard.jsonl (a row a step), rollouts.jsonl (a row a completion), with
`--audit` audit.jsonl, and timings.jsonl.

All but the last hold no time and are cut back to the sizes that a checkpoint noted before a resumed run goes on, so
that a killed run's files end equal to an undisturbed one's, byte for byte. Times go to timings.jsonl, which keeps what
every attempt took.
"""

from collections.abc import Iterable, Mapping

from mmupt.rundir import RunDir
from mmupt.training.observation import Observation
from mmupt.types import JsonValue

EXACT = ("metrics.jsonl", "rollouts.jsonl", "audit.jsonl", "guard.jsonl")


class TrainingLogs:
    """The logs of one run directory; held by the first rank only."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._logs = {name: run.jsonl(name) for name in (*EXACT, "timings.jsonl")}

    def roll_back(self, sizes: Mapping[str, int]) -> None:
        """Cut each log to its noted size; a log without one is emptied."""
        for name in EXACT:
            self._logs[name].truncate(sizes.get(name, 0))

    def sizes(self) -> dict[str, int]:
        return {name: self._logs[name].size() for name in EXACT}

    def append(self, name: str, rows: Iterable[Mapping[str, JsonValue]]) -> None:
        self._logs[name].append(rows)

    def observations(self) -> list[Observation]:
        """The rows of guard.jsonl."""
        return [Observation.of(row) for row in self._logs["guard.jsonl"].read()]

    def numbers(self) -> list[tuple[int, dict[str, float]]]:
        """The steps that are logged, counted from 1, each with its numbers: metrics, and audit where there is one."""
        audited = {row["step"]: row for row in self._logs["audit.jsonl"].read()}
        rows = self._logs["metrics.jsonl"].read()
        return [(at, numbers_of(row | audited.get(at, {}))) for at, row in enumerate(rows, start=1)]


def numbers_of(row: Mapping[str, JsonValue]) -> dict[str, float]:
    """What a tracker is told of a row: all numbers but the step's own."""
    return {name: float(value) for name, value in row.items() if isinstance(value, int | float) and name != "step"}
