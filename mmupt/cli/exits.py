"""How every command ends: an exit code, and at most one line that says why."""

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import typer

from mmupt import console
from mmupt.disk import told
from mmupt.errors import CollapseError, UserError

UsageError = typer.BadParameter.__mro__[1]
"""What the parser raises for a wrong command line; typer exports only its subclass."""

_GO_ON = "stopped; the same command goes on from here"
_run_folder: Path | None = None


class Stopped(BaseException):
    """Ctrl-C or SIGTERM, turned into an exception so that files are closed on the way out.

    Not a KeyboardInterrupt: libraries print or swallow that one, and Python ends by a signal of its own where it came
    through C code.
    """

    def __init__(self, number: int) -> None:
        self.code = 128 + number


def remember_run_folder(path: Path | None) -> None:
    """Where a traceback belongs if this command crashes."""
    global _run_folder
    _run_folder = path


def guarded(work: Callable[[], object]) -> int:
    """Do the work and return the exit code; nothing escapes but what Python itself cannot catch."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        code = work()
        return code if isinstance(code, int) else 0
    except (Stopped, KeyboardInterrupt, typer.Abort) as stop:
        console.error(_GO_ON)
        return stop.code if isinstance(stop, Stopped) else 130
    except BrokenPipeError:
        # The reader of our output has left (`mmupt list | head`); Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    if isinstance(error, typer.Exit):
        if error.exit_code == 130:  # what typer makes of a KeyboardInterrupt
            console.error(_GO_ON)
        return error.exit_code
    if isinstance(error, UsageError):
        console.error(_usage(error))
        return 2
    mistake = told(error) if isinstance(error, OSError) else error
    if isinstance(mistake, UserError | CollapseError):
        console.error(str(mistake))
        return 3 if isinstance(mistake, CollapseError) else 2
    file = _save_traceback()
    text = " ".join(str(error).split())[:300]
    console.error(f"unexpected {type(error).__name__}: {text} (the traceback is in {file})")
    return 1


def _usage(error: Exception) -> str:
    """The parser's message in one line, with the page that would have helped."""
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    page = context.command_path.replace("python -m mmupt", "mmupt") if context is not None else "mmupt"
    return f"{' '.join(message.split()).rstrip('.')}; see {page} --help"


def _save_traceback() -> Path:
    text = traceback.format_exc()
    if _run_folder is not None and _run_folder.is_dir():
        file = _run_folder / "traceback.txt"
        try:
            with file.open("a", encoding="utf-8") as out:  # a rank may have written its own before
                out.write(text)
            return file
        except OSError:
            pass  # the folder may be what failed: fall through to the temporary one
    handle, name = tempfile.mkstemp(prefix="mmupt-traceback-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    return Path(name)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
