"""A folder: a problem set when it holds problems.jsonl (as `mmupt synthesize` writes it), otherwise its pictures."""

from collections.abc import Iterator
from pathlib import Path

from mmupt.problems import images, jsonl
from mmupt.problems.rows import Row

PROBLEMS = "problems.jsonl"


def rows(folder: Path) -> Iterator[Row]:
    """The rows of the set, or the pictures."""
    listed = folder / PROBLEMS
    return jsonl.rows(listed) if listed.is_file() else images.rows(folder)
