"""The only place that prints.

Results go to stdout; progress, warnings and errors to stderr, so that a result can be piped. On a terminal progress is
a live bar; anywhere else it is a plain line every tenth of the way or every ten seconds. In a run of several ranks only
rank 0 speaks, but for errors. rich is imported only when a terminal is there to show it.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Counts what is done of one piece of work."""

    def advance(self, n: int = 1, note: str = "") -> None:
        """`n` more are done; `note` is shown beside the count."""


def say(text: str) -> None:
    """One line or block of a result."""
    if _speaks():
        print(text, flush=True)


def warn(text: str) -> None:
    """Something the user should know, though the work goes on."""
    if _speaks():
        print(f"warning: {text}", file=sys.stderr, flush=True)


def error(text: str) -> None:
    """Why the work stops."""
    print(f"error: {text}", file=sys.stderr, flush=True)


def pass_on(line: str) -> None:
    """A line of a process that works for this one, as it came."""
    if _speaks():
        print(line, file=sys.stderr, flush=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, aside: bool = False) -> None:
    """A small table; numbers stand at the right. `aside`: it is no result, and goes where progress goes."""
    (pass_on if aside else say)(_laid_out(title, columns, rows))


@contextmanager
def progress(total: int, what: str, done: int = 0) -> Iterator[Progress]:
    """Show the way through `total` pieces, `done` of which an earlier attempt has finished."""
    if not _speaks():
        yield _Silence()
    elif _terminal():
        with _bar(total, what, done) as bar:
            yield bar
    else:
        yield _Lines(total, what, done)


class _Silence:
    def advance(self, n: int = 1, note: str = "") -> None:
        return None


class _Lines:
    """Plain lines: one at each tenth of the way, and one when ten seconds have passed in silence."""

    def __init__(self, total: int, what: str, done: int) -> None:
        self._total, self._what, self._done = total, what, done
        self._told_at, self._told_tenth = time.monotonic(), self._tenth()

    def advance(self, n: int = 1, note: str = "") -> None:
        self._done += n
        now = time.monotonic()
        if self._tenth() > self._told_tenth or now - self._told_at >= 10:
            self._told_at, self._told_tenth = now, self._tenth()
            tail = f"  {note}" if note else ""
            print(f"{self._what}: {self._done}/{self._total}{tail}", file=sys.stderr, flush=True)

    def _tenth(self) -> int:
        return 10 * self._done // max(1, self._total)


@contextmanager
def _bar(total: int, what: str, done: int) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as live:
        task = live.add_task(what, total=total, completed=done, note="")

        class Bar:
            def advance(self, n: int = 1, note: str = "") -> None:
                live.update(task, advance=n, note=note)

        yield Bar()


def _laid_out(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    right = [all(isinstance(row[i], int | float) for row in rows) and bool(rows) for i in range(len(columns))]

    def line(texts: Sequence[str]) -> str:
        padded = (text.rjust(w) if r else text.ljust(w) for text, w, r in zip(texts, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    head = [line(columns), "  ".join("-" * w for w in widths)] if any(columns) else []
    return "\n".join([title, *head, *(line(row) for row in cells)])


def _speaks() -> bool:
    return os.environ.get("RANK", "0") in ("", "0")


def _terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _shown(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
