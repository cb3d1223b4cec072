"""torch and transformers take seconds to import; how a merge gets on in the meantime."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TURN = 1e-4


@contextmanager
def beside_imports() -> Iterator[None]:
    """Import in one thread and work in others.

    Threads get their turns fifty times as often as usual: an import would keep the others waiting for 5 ms at each
    of their steps. Python's garbage collector rests, which else spends a quarter of an import looking for cycles.
    """
    turn, collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(_TURN)
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        if collecting:
            gc.enable()
