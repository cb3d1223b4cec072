"""The kinds of names that `mmupt list` shows, and the rooms that know them. Only file names are read."""

from collections.abc import Callable, Iterable

from mmupt import benchmarks, judges, problems, registry, rewards, sampling, shipped
from mmupt.config.protocols import PROTOCOLS

KINDS: dict[str, Callable[[], Iterable[str]]] = {
    "benchmarks": benchmarks.names,
    "judges": judges.names,
    "protocols": lambda: PROTOCOLS,
    "rewards": rewards.names,
    "engines": sampling.engines,
    "trackers": lambda: registry.names("mmupt.training.trackers", defines="open_run"),
    "problems": problems.names,
    "pipelines": shipped.pipelines,
}
