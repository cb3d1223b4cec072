"""GeoQA in the form in which R1-V and MM-UPT train on it: geometry questions with short answers such as 145°.

Data set: WaltonFuture/GEOQA_R1V_Train_8K, split train (about 8,000 rows); there is no other split.
Columns: images (or image), problem (or question), answer (or solution, with `<answer>` tags around it).
Metric: accuracy. Paper: arXiv 2105.14517.
"""

from dataclasses import replace

from mmupt.benchmarks import golds, reading
from mmupt.benchmarks.contract import Source
from mmupt.benchmarks.golds import clean_gold
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns, Row

HUB = Source(
    "WaltonFuture/GEOQA_R1V_Train_8K",
    Columns(question=("problem", "question"), images=("images", "image"), choices=(), answer=("answer",)),
)
PAPER = "arXiv 2105.14517"
SPLITS = {"train": "train"}
BREAKDOWNS = ("split",)
RULES = (golds.TAGGED, golds.TRIMMED, golds.DEGREES)


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """The split; a row is called by its id, or by split and number where it has none."""

    def mended(row: Row) -> Row:
        fields = row.fields
        gold = next((fields[name] for name in ("answer", "solution") if fields.get(name) is not None), "")
        kept = {name: fields.get(name) for name in ("id", "problem", "question", "images", "image")}
        return replace(row, fields={**kept, "answer": clean_gold(str(gold), RULES), "split": split})

    return reading.load(HUB, SPLITS[split], data, mended, pictures=pictures)
