"""MATH-Vision: 3,040 competition problems with pictures, in 16 subjects and 5 levels.

Data set: MathLLMs/MathVision, splits test (3,040 rows) and testmini (304), from the hub, from its parquet files, or
from the authors' data/test.jsonl (pictures as paths below images/).
Columns: id, question, options (a list, empty for a free-form question), image (a path), decoded_image (the picture),
answer (a letter for a multiple-choice question), solution, level (1 to 5), subject.
Metric: accuracy, by subject and by level; numbers are equal when they round to the same two decimals.
Paper: arXiv 2402.14804.

Questions keep their marks `<image1>`, `<image2>`, ..., which all stand for parts of the one picture. In 384 rows of
test the options read just A to E, because the choices stand in the picture: they are shown and judged like any others.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import fsum

from mmupt.answers.choices import LETTERS
from mmupt.benchmarks import golds, mathvision_rule, reading
from mmupt.benchmarks.contract import Measures, Source
from mmupt.benchmarks.golds import clean_gold
from mmupt.benchmarks.pictures import located
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns, Row
from mmupt.types import Grade, JsonValue, Problem

HUB = Source(
    "MathLLMs/MathVision",
    Columns(images=("decoded_image", "image"), choices=("options",)),
    revision="0c681f39d3dacd336abf62ceb833e40320c8599f",
)
PAPER = "arXiv 2402.14804"
SPLITS = {"test": "test", "testmini": "testmini"}
BREAKDOWNS = ("subject", "level")
DECIMALS = 2
"""What the authors' comparison of numbers rounds to."""

RULES = (golds.TRIMMED, golds.LETTER)


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """One split; `data` may be a folder with test.jsonl or testmini.jsonl, in itself or in its folder data."""
    return reading.load(HUB, SPLITS[split], data, mended, pictures=pictures)


def mended(row: Row) -> Row:
    """The row with the fields of a problem."""
    fields = row.fields
    listed = fields.get("options")
    kept = {name: fields.get(name) for name in ("id", "question", "subject", "level", "decoded_image")}
    kept |= {
        "options": list(listed) if isinstance(listed, list | tuple) else [],
        "image": located(row, "image", ".."),
        "answer": clean_gold(str(fields.get("answer") or ""), RULES),
        "precision": None if listed else DECIMALS,
    }
    return replace(row, fields=kept)


def official(problem: Problem, response: str) -> Grade:
    """The authors' rule: the answer as their script reads it, equal to the gold's letter or to its option's text."""
    gold = problem.answer or ""
    at = LETTERS.find(gold) if len(gold) == 1 else -1
    texts = [gold, problem.choices[at]] if problem.choices and 0 <= at < len(problem.choices) else [gold]
    answer = mathvision_rule.extracted(response)
    right = any(mathvision_rule.same(answer, text) for text in texts)
    return Grade(right, answer or None, "equal to the gold" if right else "not equal to the gold")


def measure(asked: Sequence[Problem], correct: Sequence[bool]) -> Measures:
    """Accuracy of each subject by level, as the authors' script tells it."""
    cells: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for problem, right in zip(asked, correct, strict=True):
        cells[str(problem.meta.get("subject"))][str(problem.meta.get("level"))].append(right)
    table: dict[str, JsonValue] = {
        subject: {level: fsum(cell) / len(cell) for level, cell in sorted(levels.items())}
        for subject, levels in sorted(cells.items())
    }
    return Measures(scores={}, tables={"subject by level": table})
