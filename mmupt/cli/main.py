"""From the shell to a command and back to the shell.

0 done; 1 something unexpected (the traceback goes to a file); 2 a mistake of the user's, one line; 3 the collapse guard
has stopped a training run;
130 Ctrl-C and 143 SIGTERM: the same command goes on where it was stopped.
"""

import atexit
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType


def main() -> None:
    """Run one command and leave with its exit code."""
    codes: list[int] = []
    atexit.register(_end, codes)  # the first to be registered is the last to be called
    _on_ctrl_c(_leave)
    # Not at the top: a Ctrl-C while these load must be no traceback either.
    from mmupt.cli.app import app
    from mmupt.cli.exits import guarded

    codes.append(guarded(lambda: app(standalone_mode=False)))
    _on_ctrl_c(signal.SIG_IGN)  # the work is over: its exit code stands
    sys.exit(codes[0])


def _end(codes: Sequence[int]) -> None:
    """Threads and all other handlers are done; to take modules and libraries down can last as long as the work did."""
    if codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])


def _on_ctrl_c(action: "signal._HANDLER") -> None:
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as it is for a command in the background of a script
        signal.signal(signal.SIGINT, action)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(sys.stderr.fileno(), b"error: stopped; the same command goes on from here\n")
    os._exit(130)
