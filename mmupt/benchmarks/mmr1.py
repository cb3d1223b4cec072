"""MMR1-Math-RL-Data-v0, a training set with a validation split of its own.

Data set: MMR1/MMR1-Math-RL-Data-v0, splits train (5,782 rows) and validation.
Columns: images, problem (with `<image>` where the picture belongs; choices stand inside), answer (a value or a letter).
Metric: accuracy. Paper: arXiv 2509.21268.

A question is shown as it stands. Where its gold is a letter, the choices are read out of its text for the judge, so
that a choice's text counts as its letter.
"""

from dataclasses import replace

from mmupt.benchmarks import golds, reading
from mmupt.benchmarks.contract import Source
from mmupt.benchmarks.golds import clean_gold
from mmupt.benchmarks.inline_choices import split_choices
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns, Row

HUB = Source("MMR1/MMR1-Math-RL-Data-v0", Columns(question=("problem",), images=("images",), choices=("choices",)))
PAPER = "arXiv 2509.21268"
SPLITS = {"validation": "validation", "train": "train"}
BREAKDOWNS = ("split",)
RULES = (golds.TAGGED, golds.TRIMMED, golds.LETTER, golds.DEGREES)


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """One split; a row is called by its id, or by split and number where it has none."""

    def mended(row: Row) -> Row:
        fields = row.fields
        gold = clean_gold(str(fields.get("answer") or ""), RULES)
        problem = str(fields.get("problem") or "").replace("<image>", "").strip()
        stem, choices = split_choices(problem)
        known = {"problem": stem, "choices": list(choices), "shown": problem}
        lettered = len(gold) == 1 and gold in "ABCDEFGHIJ"[: len(choices)] and bool(stem)
        kept = {"id": fields.get("id"), "images": fields.get("images"), "answer": gold, "split": split}
        return replace(row, fields={**kept, **(known if lettered else {"problem": problem})})

    return reading.load(HUB, SPLITS[split], data, mended, pictures=pictures)
