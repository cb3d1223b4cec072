"""What a file in this room defines to be a benchmark, and how it is found by its name.

The file's docstring states data set, columns, metric and paper. A benchmark proves itself: every gold answer, given
as the response, scores 1.

Beside the names of `Benchmark`, which all files define, a file may define

    HUB: Source         where its data set is; `load` reads it from there
    PAPER: str          the paper that states the metric
    TOGETHER: str       a name in `Problem.meta`: a limited run takes all problems of one value, or none
    official(problem: Problem, response: str) -> Grade
                        the official scorer's current rule, with the response taken as the extracted answer
    measure(asked: Sequence[Problem], correct: Sequence[bool]) -> Measures
                        scores and tables of its own, from one verdict a problem; any subset of its problems is allowed
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from mmupt import registry
from mmupt.benchmarks import own
from mmupt.errors import UserError
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns
from mmupt.types import Grade, JsonValue, Problem

_MEMBER = "BREAKDOWNS"


@dataclass(frozen=True, slots=True)
class Source:
    """A data set of the hub."""

    id: str
    columns: Columns = field(default_factory=Columns)
    """Which of its columns hold id, question, pictures, choices and answer."""
    revision: str = "main"
    """Commit on the hub where it is known, else the branch."""
    subset: str | None = None
    """Name of its configuration, where it has several."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a benchmark computes from the verdicts beyond accuracy and breakdowns."""

    scores: Mapping[str, float]
    """Headline numbers between 0 and 1. A score that the given problems do not define is left out."""
    tables: Mapping[str, JsonValue]
    """Counts and rates by name; null is a rate over nothing."""


class Benchmark(Protocol):
    """The module-level names that every benchmark file defines."""

    SPLITS: Mapping[str, str]
    """Split as a user names it -> as the data set names it. The first is the default."""
    BREAKDOWNS: tuple[str, ...]
    """Names in `Problem.meta` by which accuracy is broken down; the first one also stratifies a limited run."""

    def load(self, split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
        """The problems of one split (a key of SPLITS), with golds; `data` is a local file or folder to read instead.

        With `pictures=False` nothing looks at the pictures, and a row whose picture is not there stays: that is enough
        to score.
        """


Official = Callable[[Problem, str], Grade]
Measure = Callable[[Sequence[Problem], Sequence[bool]], Measures]


def names() -> list[str]:
    """Every benchmark; imports none of them."""
    return registry.names(__package__, _MEMBER)


def find(name: str) -> Benchmark:
    """The benchmark of that name; an unknown one is a UserError that names the nearest."""
    return cast(Benchmark, own.known(name) or registry.load(__package__, name, _MEMBER))


def named(spec: str) -> str:
    """The name of a benchmark that is given by name, or by the path of its file; from then on `find` knows it."""
    return own.read(spec, names()) if own.is_path(spec) else spec


def official_of(bench: Benchmark, name: str) -> Official:
    """The benchmark's official scorer; where there is none, a UserError that names the benchmarks that have one."""
    found = getattr(bench, "official", None)
    if found is None:
        known = ", ".join(sorted(set(registry.names(__package__, "official")) & set(names())))
        fix = f"choose another judge (of the benchmarks {known} have one)" if known else "choose another judge"
        raise UserError("there is no official scorer", where=f"benchmark {name}", fix=fix)
    return cast(Official, found)


def measures_of(bench: Benchmark) -> Measure | None:
    """The benchmark's own scores and tables, where it has any."""
    return cast("Measure | None", getattr(bench, "measure", None))


def together_of(bench: Benchmark) -> str | None:
    """What names problems that are scored together, where the benchmark has such."""
    return cast("str | None", getattr(bench, "TOGETHER", None))


def source_of(bench: Benchmark) -> Source | None:
    """Where its data set is on the hub, where it is there."""
    return cast("Source | None", getattr(bench, "HUB", None))
