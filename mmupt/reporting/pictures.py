"""Problems and their pictures for the cards of a report; data that has gone costs the pictures, not the report."""

from collections.abc import Mapping

from mmupt import benchmarks, problems
from mmupt.errors import MmuptError
from mmupt.problems.writing import as_png
from mmupt.reporting.runs import Run, Scored
from mmupt.types import Problem


def png_files(problem: Problem) -> tuple[bytes, ...]:
    """The problem's pictures as PNG; one that cannot be read is left out."""
    files = []
    for ref in problem.images:
        try:
            files.append(as_png(ref))
        except MmuptError:
            continue
    return tuple(files)


def of_benchmark(one: Scored) -> Mapping[str, Problem]:
    """The benchmark's problems by id, or nothing when they cannot be loaded here."""
    config = one.run.config
    try:
        bench = benchmarks.find(str(one.results["benchmark"]))
        split = config.get("split") or next(iter(bench.SPLITS))
        data = config.get("data")
        return {each.id: each for each in bench.load(str(split), data if isinstance(data, str) else None).problems}
    except MmuptError:
        return {}


def of_training(run: Run) -> Mapping[str, Problem]:
    """The training problems by id, or nothing when they cannot be loaded here."""
    try:
        return {each.id: each for each in problems.load(str(run.config["data"])).problems}
    except MmuptError:
        return {}
