"""Runs the real command line in a child process."""

import subprocess
import sys
from collections.abc import Sequence


def mmupt(*arguments: str, cwd: object = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """`mmupt ARGUMENTS` with this Python."""
    command = [sys.executable, "-m", "mmupt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=cwd)  # type: ignore[call-overload]


def one_line(text: str) -> str:
    """The only line of a message; more than one is a failure."""
    lines: Sequence[str] = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
