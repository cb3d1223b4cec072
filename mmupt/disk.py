"""Writing that survives a kill at any moment: a file or a folder is there whole, or as it was before.

A full disk, a read-only folder or a path that cannot be is the user's to mend: it becomes a `UserError` with the path.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmupt.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_ODD = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT}


def told(error: OSError, path: Path | None = None) -> UserError | None:
    """The `UserError` for an error of the file system that its user can mend, or None for any other.

    An impossible path is the user's only where they chose it: where `path` is given.
    """
    where = error.filename if isinstance(error.filename, str) else None if path is None else str(path)
    if error.errno in _FULL:
        return UserError("the disk is full", where=where, fix="free some space, then start the same command again")
    if error.errno in _CLOSED:
        return UserError(
            "cannot be written or read", where=where, fix="change its permissions or choose another folder"
        )
    if error.errno in _ODD and path is not None:
        return UserError(f"cannot be used: {os.strerror(error.errno)}", where=where, fix="choose another path")
    return None


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Inside this block an error of the file system that the user can mend is raised as a `UserError` about `path`."""
    try:
        yield
    except OSError as error:
        mended = told(error, path)
        if mended is None:
            raise
        raise mended from error


@contextmanager
def foreign_writer(folder: Path) -> Iterator[None]:
    """`disk_errors` for a library that writes into `folder` by itself, and tells a full disk by an error of its own."""
    with disk_errors(folder):
        try:
            yield
        except (UserError, OSError):
            raise
        except Exception as error:
            if number := re.search(r"\(os error (\d+)\)", str(error)):  # as libraries written in Rust tell it
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
            _try_to_write(folder)
            raise


def _try_to_write(folder: Path) -> None:
    """An OSError where a megabyte cannot be written."""
    probe = folder / ".probe.tmp"
    try:
        with probe.open("wb") as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader, or a start after a kill, sees the old content or the new one, never a part."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    # One fixed name: what a killed writer leaves behind is overwritten by the next one, so nothing piles up.
    aside = path.with_name(f".{path.name}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        aside.replace(path)
        sync_folder(path.parent)


def replace_folder(tmp: Path, final: Path) -> None:
    """Put a finished folder in the place of `final`. After a kill in between `final` may be gone, never half."""
    old = final.with_name(f".{final.name}.old")
    with disk_errors(final):
        for folder, _, names in os.walk(tmp):
            for name in names:
                _sync(Path(folder, name))
            sync_folder(Path(folder))
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        tmp.rename(final)
        sync_folder(final.parent)
        shutil.rmtree(old, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a renamed file survives a power cut only after this."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
