"""The kinds of names that `mmupt list` shows, and where each comes from. Only file names are read."""

from collections.abc import Callable, Iterable

from mmupt import problems, registry, shipped

KINDS: dict[str, Callable[[], Iterable[str]]] = {
    "benchmarks": lambda: registry.names("mmupt.benchmarks", defines="load"),
    "rewards": lambda: registry.names("mmupt.rewards", defines="rewards"),
    "engines": lambda: registry.names("mmupt.sampling", defines="open"),
    "problems": problems.names,
    "pipelines": shipped.pipelines,
}
