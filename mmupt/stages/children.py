"""Stages as child processes: a fresh one each, lines passed on as they come, all gone when this one goes."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmupt.lifeline import die_with_parent

_GRACE = 10.0
"""Seconds that a stopped stage gets to leave by itself."""
_ERROR = "error: "
_QUIET = {"TQDM_DISABLE": "1"}
"""Bars of other libraries are no lines."""


@dataclass
class Child:
    """One running stage."""

    name: str
    process: subprocess.Popen[str]
    reason: str = ""
    """What it gave as its reason to stop, without the word "error"."""


@dataclass
class Children:
    """All running stages. Use it as a context: those still running at its end are stopped."""

    running: dict[str, Child] = field(default_factory=dict)
    _lines: "queue.Queue[tuple[str, str | None]]" = field(default_factory=queue.Queue)

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `mmupt ARGUMENTS`. Called from the main thread only, whose death the kernel then tells the child."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mmupt", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **_QUIET, **environment},
            preexec_fn=die_with_parent,
        )
        self.running[name] = Child(name, process)
        threading.Thread(target=self._read, args=(name, process), daemon=True).start()

    def next(self) -> tuple[str, str | int]:
        """The next event: (stage, a line that it printed), or (stage, its exit code), after which it is gone."""
        while True:
            name, line = self._lines.get()
            child = self.running[name]
            if line is None:
                del self.running[name]
                self.last = child
                return name, child.process.wait()
            if line.startswith(_ERROR):
                child.reason = line.removeprefix(_ERROR)
            else:
                return name, line

    last: Child | None = None
    """The stage that ended last."""

    def _read(self, name: str, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._lines.put((name, line.rstrip()))
        self._lines.put((name, None))

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.running.values():
            child.process.terminate()
        for child in self.running.values():
            try:
                child.process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
