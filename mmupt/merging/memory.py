"""Memory that is used again and again, without asking the kernel for it each time."""

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""glibc's names and numbers, see mallopt(3)."""


def keep_freed_memory() -> None:
    """From now on this process keeps up to 256 MB that it has freed, for the next piece of a weight.

    glibc would give blocks of some megabytes back, and the kernel clears every page before it hands it out again.
    Other C libraries are left as they are.
    """
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 1 << 28)
        mallopt(_M_MMAP_THRESHOLD, 1 << 25)
