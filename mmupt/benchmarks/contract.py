"""What a file in this room defines to be a benchmark, and how it is found by its name.

The file's docstring states data set, columns, metric and paper. A benchmark proves itself: every gold answer, given
as the response, scores 1.
"""

from collections.abc import Mapping
from typing import Protocol, cast

from mmupt import registry
from mmupt.problems import ProblemSet

_MEMBER = "BREAKDOWNS"


class Benchmark(Protocol):
    """The module-level names of a benchmark file."""

    SPLITS: Mapping[str, str]
    """Split as a user names it -> as the data set names it. The first is the default."""
    BREAKDOWNS: tuple[str, ...]
    """Names in `Problem.meta` by which accuracy is broken down; the first one also stratifies a limited run."""

    def load(self, split: str, data: str | None) -> ProblemSet:
        """The problems of one split (a key of SPLITS), with golds; `data` is a local file or folder to read instead."""


def names() -> list[str]:
    """Every benchmark; imports none of them."""
    return registry.names(__package__, _MEMBER)


def find(name: str) -> Benchmark:
    """The benchmark of that name; an unknown one is a UserError that names the nearest."""
    return cast(Benchmark, registry.load(__package__, name, _MEMBER))
