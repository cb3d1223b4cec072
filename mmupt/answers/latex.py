"""The last resort: LaTeX that the rest of this room does not read, shown to math-verify in a worker process.

The worker starts when it is first needed, serves all threads of this process, survives whatever it is asked, and ends
with this process. A text that is too long, or that costs too much, has no key and equals nothing.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from mmupt.answers.limits import CACHE, LATEX

WORKERS = 2
"""Worker processes at most; a process with one thread never starts a second."""

_idle: list["_Worker"] = []
_slots = threading.BoundedSemaphore(WORKERS)


@lru_cache(maxsize=CACHE)
def latex_key(text: str) -> str | None:
    """The key of a LaTeX text, or None."""
    reply = _asked([text]) if len(text) <= LATEX else None
    return reply if isinstance(reply, str) else None


@lru_cache(maxsize=CACHE)
def verified(gold: str, answer: str) -> bool:
    """Whether math-verify finds the two equal, in both directions."""
    return max(len(gold), len(answer)) <= LATEX and _asked([gold, answer]) is True


def worker_pids() -> list[int]:
    """Process ids of the workers that stand ready."""
    return [worker.process.pid for worker in _idle]


class _Worker:
    """One host process and the pipe to it."""

    def __init__(self) -> None:
        package_root = str(Path(__file__).resolve().parents[2])
        inherited = os.environ.get("PYTHONPATH")
        path = package_root if not inherited else os.pathsep.join([package_root, inherited])
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from mmupt.answers.latex_worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )

    def ask(self, texts: list[str]) -> str | bool | None:
        """The worker's reply; raises OSError where it is gone."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(texts).encode() + b"\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            raise BrokenPipeError("the worker is gone")
        answer: str | bool | None = json.loads(reply)
        return answer

    def close(self) -> None:
        """End it; the end of its input is its signal to go."""
        with suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _asked(texts: list[str]) -> str | bool | None:
    with _slots:
        for _ in range(2):
            worker = _taken()
            try:
                reply = worker.ask(texts)
            except OSError:
                worker.close()
                continue
            _idle.append(worker)
            return reply
    return None


def _taken() -> _Worker:
    with suppress(IndexError):
        return _idle.pop()
    return _Worker()


def _forget() -> None:
    """A fork starts with no workers: its parent's are not its to use."""
    global _slots
    _idle.clear()
    _slots = threading.BoundedSemaphore(WORKERS)


os.register_at_fork(after_in_child=_forget)


@atexit.register
def _end() -> None:
    while _idle:
        _idle.pop().close()
