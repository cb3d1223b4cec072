"""The judge `official`: the benchmark's own scorer, its current rule, with the response taken as the extracted answer.

It is for checking published output files, and for numbers that must be comparable with them. It sees nothing of how a
response ended: official scorers do not.
"""

from mmupt import benchmarks
from mmupt.judges.contract import Verdict
from mmupt.types import Grade, Problem

VERSION = 1


def verdict_for(benchmark: str) -> Verdict:
    """The benchmark's scorer; a UserError where it has none."""
    official = benchmarks.official_of(benchmarks.find(benchmark), benchmark)

    def verdict(problem: Problem, response: str, truncated: bool) -> Grade:
        return official(problem, response)

    return verdict
