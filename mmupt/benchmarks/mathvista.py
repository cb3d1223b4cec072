"""MathVista: 1,000 questions (testmini) about pictures of many kinds, with free and multiple-choice answers.

Data set: AI4Math/MathVista, split testmini, from the hub, from its parquet files, or from the authors' JSON
(data/testmini.json or data/annot_testmini.json: {pid: row}), to which their output files belong as well. The split test
has no answers and cannot be scored.
Columns: pid, question, image (a path), decoded_image (the picture), choices (a list or null), unit, precision (a float
on the hub, an integer in JSON), answer, question_type (multi_choice, free_form), answer_type (text, integer, float,
list), metadata {category, context, grade, img_height, img_width, language, skills, source, split, task}, query.
Metric: accuracy, by the authors' nine breakdowns; a question counts in each of its skills.
Paper: arXiv 2310.02255.

The gold of a multiple-choice question is the choice's text. Where that text reads as the letter of another choice
(choices C, A, B and gold A), the gold is stated as its letter, because the letter is what is asked for.
"""

from collections.abc import Mapping
from dataclasses import replace

from mmupt.answers.choices import LETTERS, gold_letter, letter_of
from mmupt.benchmarks import mathvista_rule, reading
from mmupt.benchmarks.contract import Source
from mmupt.benchmarks.pictures import located
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns, Row
from mmupt.types import Grade, JsonValue, Problem

HUB = Source("AI4Math/MathVista", Columns(id=("pid", "id"), images=("decoded_image", "image")))
PAPER = "arXiv 2310.02255"
SPLITS = {"testmini": "testmini"}
BREAKDOWNS = (
    "task", "question_type", "answer_type", "language", "source", "category", "context", "grade", "skills"
)  # fmt: skip

_KEPT = ("pid", "id", "question", "choices", "unit", "precision", "answer", "answer_type", "decoded_image")


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """One split; `data` may be a folder with testmini.json, in itself or in its folder data, or one file."""
    found = reading.load(HUB, SPLITS[split], data, _mended, pictures=pictures)
    return replace(found, problems=tuple(_told(problem) for problem in found.problems))


def _mended(row: Row) -> Row:
    fields = row.fields
    metadata = fields.get("metadata")
    about = dict(metadata) if isinstance(metadata, Mapping) else {}
    about["question_type"] = fields.get("question_type") or ("multi_choice" if fields.get("choices") else "free_form")
    about["published"] = _published(fields)
    kept = {name: fields.get(name) for name in _KEPT} | {"image": located(row, "image", "data"), "meta": about}
    kept["answer"] = None if fields.get("answer") == "" else fields.get("answer")
    return replace(row, fields=kept)


def _published(fields: Mapping[str, object]) -> dict[str, object] | None:
    """Choices and gold as they are, where cleaning takes away space that the official rule counts."""
    choices, gold = fields.get("choices"), fields.get("answer")
    texts = [text for text in (*(choices if isinstance(choices, list | tuple) else ()), gold) if isinstance(text, str)]
    if all(text == text.strip() for text in texts):
        return None
    return {"choices": choices, "answer": gold}


def _told(problem: Problem) -> Problem:
    """The problem with its answer type among what results are broken down by, and a gold that says one thing."""
    meta = {**problem.meta, "answer_type": problem.answer_type}
    letter = gold_letter(problem.answer or "", problem.choices) if problem.choices else None
    if letter is None or letter == letter_of(problem.answer or "", problem.choices):
        return replace(problem, meta=meta)
    return replace(problem, answer=letter, answer_type="letter", meta=meta)


def official(problem: Problem, response: str) -> Grade:
    """The rule of the authors' calculate_score.py."""
    published = problem.meta.get("published")
    raw = published if isinstance(published, dict) else {}
    gold: JsonValue = problem.answer
    if problem.answer_type == "letter":
        gold = problem.choices[LETTERS.index(problem.answer or "A")]
    return mathvista_rule.judged(
        response,
        str(raw.get("answer") or gold),
        question_type=str(problem.meta.get("question_type")),
        answer_type=str(problem.meta.get("answer_type")),
        choices=[str(choice) for choice in _listed(raw.get("choices")) or problem.choices],
        precision=problem.precision,
    )


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
