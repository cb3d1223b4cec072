"""The folder of one run: what was asked, on what machine, every row that was made, and whether it is done.

    config.json        the resolved settings; a start with other settings is refused
    environment.json   the machine and the versions of the latest attempt
    attempts.jsonl     when each attempt started and ended: the only place for times
    done.json          the stage's result, written last: while it is missing the run is not done
    .lock              held while a process works here

The same command, started again after a kill at any moment, goes on where the last whole chunk ended. While nothing but
notes lies in a folder nothing has been done: other settings are taken, and a run that fails leaves no folder behind.
"""

import fcntl
import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mmupt.config import Section, canonical, differences, to_dict
from mmupt.disk import disk_errors, foreign_writer, replace_folder, told, write_atomic
from mmupt.environment.snapshot import snapshot
from mmupt.errors import UserError
from mmupt.journal import JsonlLog
from mmupt.types import JsonValue

__all__ = ["JsonlLog", "RunDir", "disk_errors", "foreign_writer", "replace_folder", "told", "write_atomic"]

_PATIENCE = 3.0
"""Seconds to wait for a lock: a killed process lets go of its own a moment after its parent has seen it die."""
_NOTES = frozenset({"config.json", "environment.json", "attempts.jsonl", "data.json"})
"""What is written before any work is done, here or by a stage."""


class RunDir:
    """One stage's run folder, open and locked by this process. Make it with `RunDir.open`."""

    def __init__(self, path: Path, stage: str, lock: int, *, new: bool = False) -> None:
        self.path, self.stage, self._lock, self._new = path, stage, lock, new

    @classmethod
    def open(cls, path: Path, stage: str, config: Section) -> "RunDir":
        """Make the folder or go on with it. Another stage's folder, other settings or a working process are refused."""
        with disk_errors(path):
            new = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(path)
            run = cls(path, stage, _locked(path), new=new)
            try:
                run._agree_on(config)
                if not run.done:
                    run._begin_attempt()
            except BaseException:
                run.close()
                raise
        return run

    @property
    def done(self) -> bool:
        """Whether a finished run lies here."""
        return (self.path / "done.json").exists()

    def result(self) -> dict[str, JsonValue]:
        """What `finish` was given."""
        result: dict[str, JsonValue] = json.loads((self.path / "done.json").read_bytes())
        return result

    def finish(self, result: dict[str, JsonValue]) -> None:
        """Mark the run as done, after everything else that it writes."""
        self.jsonl("attempts").append([{"event": "finished", "pid": os.getpid(), "time": _now()}])
        write_atomic(self.path / "done.json", _pretty(result))
        self.close()

    def jsonl(self, name: str) -> JsonlLog:
        """The append-only log `NAME.jsonl` of this run."""
        return JsonlLog(self.path / (name if name.endswith(".jsonl") else f"{name}.jsonl"))

    def close(self) -> None:
        """Let another process work here. The end of this process does the same."""
        if self._lock < 0:
            return
        if not self._begun():
            self._sweep()
            with suppress(OSError):
                (self.path / ".lock").unlink()
                if self._new:
                    self.path.rmdir()
        os.close(self._lock)
        self._lock = -1

    def _begun(self) -> bool:
        """Whether anything but notes lies here."""
        return any(file.name not in _NOTES and file.stat().st_size > 0 for file in self._files())

    def _sweep(self) -> None:
        """Remove what a run that was not begun has left; config.json, which makes the folder ours, goes last."""
        last = self.path / "config.json"
        folders = [each for each in self.path.rglob("*") if each.is_dir()]
        with suppress(OSError):
            for file in self._files():
                if file != last:
                    file.unlink()
            for folder in reversed(folders):
                folder.rmdir()
            last.unlink()

    def _files(self) -> list[Path]:
        return [file for file in self.path.rglob("*") if file.is_file() and not file.name.startswith(".")]

    def _agree_on(self, config: Section) -> None:
        asked: dict[str, JsonValue] = {"stage": self.stage, "config": to_dict(config)}
        file = self.path / "config.json"
        if not self._begun():
            self._sweep()
            write_atomic(file, _pretty(asked))
            return
        there = json.loads(file.read_bytes())
        if there["stage"] != self.stage:
            raise UserError(
                f"holds a run of {there['stage']}, not of {self.stage}", where=str(self.path), fix=_ELSEWHERE
            )
        free = config.may_change()
        changed = [each for each in differences(there["config"], asked["config"]) if each[0] not in free]
        if changed:
            keys = ", ".join(f"{key}: {old} -> {new}" for key, old, new in changed)
            raise UserError(f"the settings of this run have changed ({keys})", where=str(self.path), fix=_AS_BEFORE)

    def _begin_attempt(self) -> None:
        write_atomic(self.path / "environment.json", _pretty(snapshot()))
        self.jsonl("attempts").append([{"event": "started", "pid": os.getpid(), "time": _now()}])


_ELSEWHERE = "name another folder with --out"
_AS_BEFORE = "give the old values to go on, or another --out to start anew, or delete this folder"


def _refuse_foreign(path: Path) -> None:
    """A folder with files in it that is no run of ours stays untouched."""
    if (path / "config.json").exists():
        # A model's folder has a config.json, too.
        if not _is_ours(path / "config.json"):
            raise UserError("holds a config.json that is no run's", where=str(path), fix=_ELSEWHERE)
        return
    foreign = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    if foreign:
        what = f"is not empty and holds no run of mmupt (it holds {foreign[0]!r})"
        raise UserError(what, where=str(path), fix=_ELSEWHERE)


def _is_ours(file: Path) -> bool:
    try:
        told = json.loads(file.read_bytes())
    except ValueError:
        return False
    return isinstance(told, dict) and {"stage", "config"} <= told.keys()


def _locked(folder: Path) -> int:
    """Take the lock. It is this process's alone: a forked child that outlives a killed parent does not hold it."""
    file, until = folder / ".lock", time.monotonic() + _PATIENCE
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        if _holds(handle, file):
            break
        pid = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        if time.monotonic() > until:
            what = f"another process (pid {pid}) is working on this run"
            raise UserError(what, where=str(folder), fix="wait for it, stop it, or give another --out")
        time.sleep(0.05)
    with suppress(OSError):  # a full disk is told by the first file that matters
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode("ascii"), 0)
    return handle


def _holds(handle: int, file: Path) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A run that failed before it did anything may have removed the file that we were waiting for.
        return os.path.samestat(os.fstat(handle), file.stat())
    except (BlockingIOError, PermissionError, FileNotFoundError):
        return False


def _pretty(value: dict[str, JsonValue]) -> str:
    canonical(value)  # nan and what is no JSON at all are refused here, before they reach the disk
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
