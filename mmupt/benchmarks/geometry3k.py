"""Geometry3K, a training set whose test split the method watches while it trains.

Data set: hiyouga/geometry3k, splits train (2,101 rows), validation (300) and test (601).
Columns: images, problem (with `<image>` where the picture belongs), answer; newer revisions also id, choices and
ground_truth (the letter), which are left aside: the method asks these questions free-form.
Metric: accuracy. Paper: arXiv 2105.04165.
"""

from dataclasses import replace

from mmupt.benchmarks import golds, reading
from mmupt.benchmarks.contract import Source
from mmupt.benchmarks.golds import clean_gold
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns, Row

HUB = Source("hiyouga/geometry3k", Columns(question=("problem",), images=("images",), choices=(), answer=("answer",)))
PAPER = "arXiv 2105.04165"
SPLITS = {"test": "test", "validation": "validation", "train": "train"}
BREAKDOWNS = ("split",)
RULES = (golds.TRIMMED,)


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """One split; a row is called by its id, or by split and number where it has none."""

    def mended(row: Row) -> Row:
        kept = {name: row.fields.get(name) for name in ("id", "problem", "images")}
        gold = clean_gold(str(row.fields.get("answer") or ""), RULES)
        return replace(row, fields={**kept, "answer": gold, "split": split})

    return reading.load(HUB, SPLITS[split], data, mended, pictures=pictures)
