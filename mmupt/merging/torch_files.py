"""What `torch.save` wrote: a zip archive of one pickle and the bytes of its tensors, which stay where they are."""

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from mmupt.errors import UserError
from mmupt.merging.unpickle import Unpickler

T = TypeVar("T")
_BROKEN = "the file is damaged or truncated"
_LOCAL_HEADER = struct.Struct("<26xHH")


def load(path: Path) -> dict[str, object]:
    """The dictionary in a torch file; a broken file or one that asks for more than tensors is a UserError."""
    found = content(path)
    if not isinstance(found, dict):
        raise UserError("holds no dictionary", where=str(path))
    return found


def content(path: Path, start: int = 0, length: int | None = None) -> object:
    """What `torch.save` put into the file, or into `length` bytes of it from `start` on."""
    try:
        with path.open("rb") as file, _Window(file, start, length) as window, zipfile.ZipFile(window) as archive:
            entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
                raise UserError("was written on a big-endian machine, which merge does not read", where=str(path))

            def locate(key: str) -> tuple[int, int]:
                info = entries[f"data/{key}"]
                if info.compress_type != zipfile.ZIP_STORED:
                    raise zipfile.BadZipFile("its tensors are compressed")
                return start + _first_byte(window, info), info.file_size

            return Unpickler(io.BytesIO(archive.read(entries["data.pkl"])), path, locate).load()
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}", where=str(path), fix=_BROKEN) from error
    except Exception as error:  # a hostile pickle can raise nearly anything here
        raise UserError(f"cannot be read: {_first_line(error)}", where=str(path), fix=_BROKEN) from error


def metadata(path: Path) -> object:
    """A pickle that stands alone in a file, such as the `.metadata` of a distributed checkpoint."""
    try:
        with path.open("rb") as file:
            return Unpickler(file, path).load()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"cannot be read: {_first_line(error)}", where=str(path), fix=_BROKEN) from error


def entry(content: Mapping[str, object], key: str, kind: type[T], path: Path) -> T:
    """One entry, of the type that it must have."""
    value = content.get(key)
    if not isinstance(value, kind):
        raise UserError(f"its entry {key!r} is {type(value).__name__}, not {kind.__name__}", where=str(path))
    return value


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: io.BufferedReader, start: int, length: int | None) -> None:
        self._file, self._start, self._at = file, start, 0
        available = max(file.seek(0, io.SEEK_END) - start, 0)
        if length is not None and length > available:
            raise zipfile.BadZipFile("it ends too early")
        self._length = available if length is None else length

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(self._length - self._at, 0)
        self._file.seek(self._start + self._at)
        taken = self._file.read(left if size < 0 else min(size, left))
        self._at += len(taken)
        return taken


def _first_byte(window: _Window, info: zipfile.ZipInfo) -> int:
    """The data stands behind a local header of its own, whose length the archive's directory does not tell."""
    window.seek(info.header_offset)
    name, extra = _LOCAL_HEADER.unpack(window.read(_LOCAL_HEADER.size))
    return info.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
