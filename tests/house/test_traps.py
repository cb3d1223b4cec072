"""docs/traps.md tells the truth about names: each trap has an answer that exists and a test that exists."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.source import PACKAGE, ROOT

FILE = re.compile(r"`([\w./]+\.py|Makefile|pyproject\.toml)`")
TEST = re.compile(r"`(tests/[\w./]+\.py)::(\w+)`")


@dataclass(frozen=True)
class Row:
    trap: str
    answers: tuple[str, ...]
    tests: tuple[tuple[str, str], ...]


def rows() -> list[Row]:
    lines = (ROOT / "docs" / "traps.md").read_text().splitlines()
    cells = [
        line.strip("|").split(" | ") for line in lines if line.startswith("| ") and line != "| trap | answer | test |"
    ]
    assert [line for line in cells if len(line) != 3] == []
    return [Row(trap.strip(), tuple(FILE.findall(answer)), tuple(TEST.findall(test))) for trap, answer, test in cells]


@cache
def functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_trap_has_an_answer_and_a_test():
    assert len(rows()) > 30
    assert [row.trap for row in rows() if not row.answers or not row.tests] == []
    numbers = {int(found[1]) for row in rows() if (found := re.match(r"(\d+)\. ", row.trap))}
    assert numbers == set(range(1, 11))


def test_every_answer_is_a_file():
    named = {name for row in rows() for name in row.answers}
    assert [name for name in sorted(named) if not any((root / name).is_file() for root in (ROOT, PACKAGE))] == []


def test_every_test_is_one():
    named = {test for row in rows() for test in row.tests}
    there = {file: functions(ROOT / file) for file, _ in named if (ROOT / file).is_file()}
    assert [f"{file}::{name}" for file, name in sorted(named) if name not in there.get(file, ())] == []
