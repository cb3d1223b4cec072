"""Many responses judged at once, on several cores where there are many.

Workers get texts and give verdicts; no picture travels. Verdicts do not depend on how many workers there are.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from mmupt.judges.contract import Verdict, verdict_of
from mmupt.types import Grade, Problem

Item = tuple[Problem, str, bool]
"""Problem, response, whether the response was cut off."""

FEW = 400
"""Responses that one process judges before another one would have started."""
PORTION = 32
"""Responses that are handed to a worker together: a hostile one takes up to a second."""
WORKERS = 8

_verdict: Verdict | None = None


def judge_all(
    judge: str, benchmark: str, items: Sequence[Item], *, workers: int | None = None
) -> Iterator[list[Grade]]:
    """The verdicts in order, portion by portion; without `workers` as many processes as pay."""
    portions = [list(items[start : start + PORTION]) for start in range(0, len(items), PORTION)]
    if workers is None:
        workers = 1 if len(items) <= FEW else min(WORKERS, len(os.sched_getaffinity(0)))
    if workers == 1:
        verdict = verdict_of(judge, benchmark)
        yield from ([verdict(*item) for item in portion] for portion in portions)
        return
    pool = ProcessPoolExecutor(workers, get_context("fork"), _begin, (judge, benchmark))
    try:
        yield from pool.map(_judged, map(_light, portions))
    finally:
        pool.shutdown(cancel_futures=True)


def _light(portion: Sequence[Item]) -> list[Item]:
    return [(replace(problem, images=()), response, truncated) for problem, response, truncated in portion]


def _begin(judge: str, benchmark: str) -> None:
    """Runs in each worker first. A worker that is told to stop stops without a word: its parent has the last one."""
    global _verdict
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _verdict = verdict_of(judge, benchmark)


def _judged(portion: list[Item]) -> list[Grade]:
    assert _verdict is not None
    return [_verdict(*item) for item in portion]
