"""Rows of generations.jsonl -> how many questions each filter dropped."""

from collections import Counter
from collections.abc import Mapping, Sequence

from mmupt.synthesis.draft import DUPLICATE, KEPT, UNPARSEABLE
from mmupt.synthesis.parse import REASONS
from mmupt.types import JsonValue

DROPS = (UNPARSEABLE, DUPLICATE, "vote-below", "vote-above")
"""The filters, in the order in which they look at a question."""
BINS = 10


def count(rows: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    """Every filter with its count, zeros included, and the histogram of the vote shares that were seen."""
    verdicts = Counter(str(row["verdict"]) for row in rows)
    reasons = Counter(str(row["reason"]) for row in rows)
    return {
        "written": len(rows),
        "dropped": {name: verdicts[name] for name in DROPS},
        "unparseable": {reason: reasons[reason] for reason in REASONS},
        "passed": verdicts[KEPT],
        "share_histogram": _histogram(rows),
    }


def _histogram(rows: Sequence[Mapping[str, JsonValue]]) -> list[JsonValue]:
    """Questions by vote share: a tenth a bin, the upper bound in the bin (0 in the first)."""
    bins: list[JsonValue] = [0] * BINS
    for row in rows:
        vote = row["vote"]
        if isinstance(vote, Mapping) and isinstance(share := vote["share"], int | float):
            place = max(0, -(-round(share * BINS * 1000) // 1000) - 1)
            bins[place] = int(str(bins[place])) + 1
    return bins
