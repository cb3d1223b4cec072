"""Work in fixed chunks: what a killed run has of its last chunk is dropped, so that a resumed run ends byte-equal."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

from mmupt.rundir import JsonlLog

T = TypeVar("T")


def split(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Consecutive chunks; the last one may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def whole(log: JsonlLog, rows_of_chunks: Sequence[int]) -> int:
    """How many leading chunks the log holds whole; rows beyond them are cut off."""
    lines = log.path.read_bytes().split(b"\n")[:-1] if log.path.exists() else []
    ends = [end for end in accumulate(rows_of_chunks) if end <= len(lines)]
    log.truncate(sum(len(line) + 1 for line in lines[: ends[-1] if ends else 0]))
    return len(ends)
