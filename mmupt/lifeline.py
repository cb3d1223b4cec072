"""A killed run leaves no process behind. No ML library is imported: this can be the first thing that a process does."""

import ctypes
import os
import signal
import sys


def die_with_parent(parent: int | None = None) -> None:
    """Let the kernel kill this process when the one that started it dies (Linux only; at once if that is so already).

    `parent` is its process id, where it is known: it may be gone before this is called. More exactly it is the thread
    that started this process whose death counts: start processes from the main thread.
    """
    if sys.platform == "linux":
        parent, parent_death_signal = parent or os.getppid(), 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
