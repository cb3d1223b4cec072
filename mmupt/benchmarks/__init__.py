"""Benchmarks, one file each, named as the benchmark; `contract` says what such a file defines."""

from mmupt.benchmarks.contract import (
    Benchmark,
    Measures,
    Source,
    find,
    measures_of,
    named,
    names,
    official_of,
    source_of,
    together_of,
)

__all__ = [
    "Benchmark",
    "Measures",
    "Source",
    "find",
    "measures_of",
    "named",
    "names",
    "official_of",
    "source_of",
    "together_of",
]
