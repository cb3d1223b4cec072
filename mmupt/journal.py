"""Append-only JSON lines that survive a kill: rows go in whole and durable, a half-written last line is dropped."""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from mmupt.disk import disk_errors, sync_folder
from mmupt.errors import UserError
from mmupt.types import JsonValue


class JsonlLog:
    """One log file. Opening it repairs it; a missing file is an empty log and is made by the first append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._repair()

    def append(self, rows: Iterable[Mapping[str, JsonValue]]) -> None:
        """Add all rows or none: when the disk is full, what was written of them is taken back before the error."""
        data = encoded(rows)
        if not data:
            return
        new = not self.path.exists()
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                _write_whole(handle, data)
            finally:
                os.close(handle)
            if new:
                sync_folder(self.path.parent)

    def read(self) -> list[dict[str, JsonValue]]:
        """All rows, oldest first."""
        if not self.path.exists():
            return []
        rows: list[dict[str, JsonValue]] = []
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    rows.append(json.loads(line))
                except ValueError:
                    where = f"{self.path}, line {number}"
                    raise UserError("is damaged", where=where, fix="delete the run folder and start again") from None
        return rows

    def size(self) -> int:
        """Length in bytes: a place to roll back to."""
        return self.path.stat().st_size if self.path.exists() else 0

    def truncate(self, size: int) -> None:
        """Cut the log back to a length that `size` gave before; a shorter log cannot be cut longer."""
        if size > self.size():
            fix = "delete the run folder and start again"
            raise UserError(f"is shorter than the {size} bytes that were noted of it", where=str(self.path), fix=fix)
        if size == self.size():
            return
        with disk_errors(self.path):
            os.truncate(self.path, size)

    def _repair(self) -> None:
        if not self.path.exists():
            return
        with disk_errors(self.path):
            whole = _end_of_last_line(self.path)
            if whole < self.size():
                os.truncate(self.path, whole)


def encoded(rows: Iterable[Mapping[str, JsonValue]]) -> bytes:
    """The lines of the rows, as a log holds them."""
    return b"".join(_line(row) for row in rows)


def _line(row: Mapping[str, JsonValue]) -> bytes:
    try:
        return msgspec.json.encode(row) + b"\n"
    except UnicodeEncodeError:
        # A question from the web may hold half a surrogate pair, which UTF-8 cannot say but an escape can.
        return json.dumps(row, separators=(",", ":")).encode("ascii") + b"\n"


def _write_whole(handle: int, data: bytes) -> None:
    before = os.fstat(handle).st_size
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, before)
        raise


def _end_of_last_line(path: Path, block: int = 1 << 16) -> int:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - block)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
