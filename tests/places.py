"""Kill a process at a known place in the code. A moment is another place on another machine; a place is not.

The code that is killed is not touched: Python itself tells of each call (`sys.setprofile`), and SIGKILL is real.
"""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import mmupt

_OURS = str(Path(mmupt.__file__).parent)


@dataclass
class Place:
    """Where a rank is killed: at the `nth` call of one of mmupt's functions within one step of the training."""

    function: str
    """Qualified name: `Decoder.decode`, `publish`."""
    step: int | None = None
    """Step of the training (0, 1, ...), from its first call up to that of the next one; None: before or anywhere."""
    nth: int = 1
    event: str = "call"
    """call: before its first line; return: after its last."""
    rank: int = 0
    """Which rank is killed here (of fewer, the last); the others then are, wherever they are."""

    def __str__(self) -> str:
        return f"{self.event} {self.nth} of {self.function} in step {self.step}"

    def watch(self) -> None:
        """From now on this process is killed when it gets there."""
        self._current: int | None = None
        self._left = self.nth
        sys.setprofile(self._seen)

    def _seen(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(_OURS):
            return
        if code.co_qualname == "Trainer.step" and event == "call":
            self._current, self._left = frame.f_locals["step"], self.nth
        if event == self.event and code.co_qualname == self.function and self.step in (None, self._current):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
