"""MathVerse: 788 problems about diagrams, each in five versions that move what is given from the text to the picture.

Data set: AI4Math/MathVerse, configuration and split testmini (3940 rows), from the hub, from its parquet file, or from
the authors' testmini.json (pictures as paths below images/).
Columns: sample_index (the id), problem_index, problem_version, question, image, answer, question_type (multi-choice or
free-form), metadata {split, source, subject, subfield}, query_wo, query_cot, question_for_eval.
Metric: accuracy of the final answers, by version, subject and subfield; the authors call it "w/o" (without the scores
of single steps, CoT-E), and it is their primary metric. Paper: arXiv 2403.14624.

A model is shown the question as it stands, with the choices inside; for Vision Only the question is empty, and it is
shown the picture alone. Judged is by `question_for_eval`, whose choices are read out of the text.

Golds are cleaned by RULES first. Golds that mean an equation, an interval or a sentence stay as they are.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import fsum

from mmupt.benchmarks import golds, reading
from mmupt.benchmarks.contract import Measures, Source
from mmupt.benchmarks.golds import clean_gold
from mmupt.benchmarks.inline_choices import split_choices
from mmupt.benchmarks.pictures import located
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns, Row
from mmupt.types import Grade, Problem

HUB = Source(
    "AI4Math/MathVerse",
    Columns(id=("sample_index",), images=("image",), choices=("choices",)),
    revision="268dfc55b62296be3bdf6406d6dea07bd06a7d64",
    subset="testmini",
)
PAPER = "arXiv 2403.14624"
SPLITS = {"testmini": "testmini"}
BREAKDOWNS = ("version", "subject", "subfield")

CHOICE_RULES = (golds.TRIMMED, golds.LETTERS, golds.LETTER)
"""For golds of multiple-choice questions."""
VALUE_RULES = (
    golds.DOLLARS,
    golds.TRIMMED,
    golds.DEGREES,
    golds.BEARING,
    golds.POINT,
    golds.NAME,
    golds.NAME_BEHIND,
)
"""For all others, in this order."""
RULES = (*CHOICE_RULES, *VALUE_RULES)


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """testmini; problem versions are problems of their own."""
    return reading.load(HUB, SPLITS[split], data, mended, pictures=pictures)


def mended(row: Row) -> Row:
    """The row with the fields of a problem."""
    fields = row.fields
    asked, known = str(fields.get("question") or ""), fields.get("metadata")
    metadata = known if isinstance(known, dict) else {}
    judged = str(fields.get("question_for_eval") or asked or fields.get("query_wo") or "")
    chosen = fields.get("question_type") == "multi-choice"
    stem, choices = split_choices(judged) if chosen else (judged, ())
    gold = str(fields.get("answer") or "")
    kept = {
        "sample_index": fields.get("sample_index"),
        "question": stem,
        "choices": list(choices),
        "shown": asked,
        "image": located(row, "image", "images", "../images"),
        "answer": clean_gold(gold, CHOICE_RULES if chosen else VALUE_RULES),
        "version": fields.get("problem_version"),
        "subject": metadata.get("subject"),
        "subfield": metadata.get("subfield"),
        "source": metadata.get("source"),
        "question_type": fields.get("question_type"),
        "problem_index": fields.get("problem_index"),
        "gold": gold,
    }
    return replace(row, fields=kept)


def official(problem: Problem, response: str) -> Grade:
    """The official scorer's rule without a model (`--quick_match`): the very string of the gold, as the data has it.

    Its default is a model that compares the two answers; the authors call the quick match faster and not accurate
    enough. So this is a lower bound, and the same for everybody.
    """
    said, gold = response.strip(), str(problem.meta.get("gold", problem.answer))
    return Grade(said == gold, said or None, "the gold's own string" if said == gold else "another string")


def measure(asked: Sequence[Problem], correct: Sequence[bool]) -> Measures:
    """The authors' total and w/o (both are the share of right answers over all versions), and their two tables."""
    versions: dict[str, list[bool]] = defaultdict(list)
    fields: dict[str, list[bool]] = defaultdict(list)
    for problem, right in zip(asked, correct, strict=True):
        versions[str(problem.meta.get("version"))].append(right)
        fields[f"{problem.meta.get('subject')}-{problem.meta.get('subfield')}"].append(right)
    total = fsum(correct) / len(correct)
    return Measures(
        scores={"total": total, "w/o": total},
        tables={
            "w/o": {"All": total, **{name: fsum(each) / len(each) for name, each in sorted(versions.items())}},
            "subject-subfield": {name: fsum(each) / len(each) for name, each in sorted(fields.items())},
        },
    )
