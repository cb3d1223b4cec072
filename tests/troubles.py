"""The command line in trouble: no room on the disk, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

STOPPED = "error: stopped; the same command goes on from here"
LIMITED = "import resource, sys\nfrom mmupt.cli import main\nsize = int(sys.argv.pop(1))\n"
LIMITED += "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\nmain()"
# Root passes every permission by its capability number 1, which is taken out of the effective ones here.
HUMBLE = "import ctypes, sys\nfrom mmupt.cli import main\nhead = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
HUMBLE += "sets, libc = (ctypes.c_uint32 * 6)(), ctypes.CDLL(None)\nlibc.capget(head, sets)\nsets[0] &= ~2\n"
HUMBLE += "libc.capset(head, sets)\nmain()"
READY = "from mmupt.cli import main\nprint('ready', flush=True)\nmain()"


def with_room_for(size: int, arguments: Sequence[str], cwd: Path) -> str:
    """Run with no room for a file of more than `size` bytes; what it said last."""
    command = [sys.executable, "-c", LIMITED, str(size), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()[-1]


def without_roots_rights(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run as somebody for whom a folder that is closed is closed, whoever runs the tests."""
    return subprocess.run([sys.executable, "-c", HUMBLE, *arguments], capture_output=True, text=True)


def interrupted(arguments: Sequence[str], cwd: Path, begun: Path) -> tuple[int, list[str]]:
    """Exit code and lines of a command that gets a Ctrl-C once `begun` is there, at once where that always is."""
    command = [sys.executable, "-c", READY, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=cwd, text=True, start_new_session=True, **pipes)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    while not (cwd / begun).exists() and process.poll() is None:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    return process.returncode, said.splitlines()
