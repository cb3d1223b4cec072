"""Benchmarks, one file each, named as the benchmark; `contract.Benchmark` says what such a file defines."""

from mmupt.benchmarks.contract import Benchmark, find, names

__all__ = ["Benchmark", "find", "names"]
