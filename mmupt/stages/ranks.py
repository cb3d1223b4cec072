"""The ranks of one training, started by torchrun: what they say is passed on, what launcher and libraries say is not.

They go when this process goes. When they fail, one of them gives the reason.
"""

import subprocess
from collections import deque
from collections.abc import Mapping, Sequence

from mmupt import console
from mmupt.errors import MmuptError, UserError
from mmupt.lifeline import die_with_parent

_ERROR = "error: "
_OURS = ("warning: ", "training: ")


def run_ranks(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Wait for all ranks; what stops them is raised here."""
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent,
        start_new_session=True,  # a Ctrl-C is this process's
    )
    errors: list[str] = []
    others: deque[str] = deque(maxlen=1)
    try:
        for line in map(str.rstrip, process.stderr or ()):
            if line.startswith(_ERROR):
                errors.append(line.removeprefix(_ERROR))
            elif line.startswith(_OURS):
                console.pass_on(line)
            elif line:
                others.append(line)
        code = process.wait()
    finally:
        process.kill()
        process.wait()
    if code != 0:
        raise _reason(errors, code, *others)


def _reason(errors: Sequence[str], code: int, last: str = "") -> MmuptError:
    """A mistake that one rank tells, before the lost connections that it causes in the others."""
    unexpected = [each for each in errors if each.startswith("unexpected ")]
    told = [each for each in errors if each not in unexpected and not each.startswith("stopped")]
    if told:
        return UserError(told[0])
    return MmuptError(f"a rank stopped: {unexpected[0] if unexpected else last or f'exit code {code}'}")
