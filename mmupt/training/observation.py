"""What the collapse guard keeps of one step: counts of answers, counts of votes, and the step's label-free signals.

A row of guard.jsonl is one observation; the guard's whole state is those rows, so a resumed run has it exactly.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import msgspec

from mmupt.training.records import GroupRecord
from mmupt.types import JsonValue

KEPT = 50
"""Answers of a step whose counts are kept: one that matters is always among them."""
SIGNALS = ("answer_entropy", "abstention", "truncation", "length", "kl")


@dataclass(frozen=True)
class Observation:
    """One step. It holds no limit and no verdict, so that other limits can be tried on it afterwards."""

    step: int
    completions: int
    groups: int
    answers: Mapping[str, int]
    """Canonical key -> completions that gave it, the most common ones."""
    votes: Mapping[str, int]
    """Canonical key -> groups whose largest class it is, where the vote has a winner."""
    signals: Mapping[str, float | None]
    """Those of SIGNALS, as in metrics.jsonl."""

    @classmethod
    def of(cls, row: Mapping[str, JsonValue]) -> "Observation":
        """The observation that a row holds."""
        return msgspec.convert(row, cls)

    def row(self) -> dict[str, JsonValue]:
        return asdict(self)


def observed(step: int, records: Sequence[GroupRecord], metrics: Mapping[str, float | None]) -> Observation:
    """The observation of a finished step. No label enters but the answers that were given."""
    return Observation(
        step=step,
        completions=sum(len(record.keys_G) for record in records),
        groups=len(records),
        answers=_most_common(key for record in records for key in record.keys_G if key is not None),
        votes=_most_common(_largest(record) for record in records if record.winner),
        signals={name: metrics.get(name) for name in SIGNALS},
    )


def _largest(record: GroupRecord) -> str:
    return Counter(key for key in record.keys_G if key is not None).most_common(1)[0][0]


def _most_common(keys: Iterable[str]) -> dict[str, int]:
    """Ties by key, so that the row does not depend on the order of ranks."""
    counted = sorted(Counter(keys).items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(counted[:KEPT])
