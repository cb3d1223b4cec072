"""We-Math: 525 composite problems (testmini, 1,740 questions), each asked as a whole and in its one-step parts.

Data set: We-Math/We-Math, split testmini, from the hub, from its parquet files, or from the authors' data/testmini.json
(a list), to which their output files belong as well.
Columns: ID, split, knowledge concept, question, option (one string `A. ..; B. ..`, up to G), answer (a letter),
image_path (the picture on the hub, a path in JSON), key (2steps_1, 2steps_2, 2steps_multi, 3steps_1 to 3steps_multi),
question number, knowledge concept description. The id of a question is ID/key.
Metric: plain accuracy; the four-dimensional score, strict and loose; S1, S2, S3; 12 domains (`wemath_metrics`).
Paper: arXiv 2407.01284.

The authors' script reads the first letter behind the last "Answer" of a response, so that a boxed letter scores 0 and
"A circle" is the letter A. Here a response with a box behind the last "Answer", or anywhere when that word tells
nothing, is read as mmupt reads boxes; every other response by the authors' rule. So boxed and template answers with the
same letters score the same.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from mmupt.answers import extract
from mmupt.answers.choices import LETTERS
from mmupt.answers.limits import RESPONSE
from mmupt.benchmarks import golds, reading, wemath_metrics
from mmupt.benchmarks.contract import Measures, Source
from mmupt.benchmarks.golds import clean_gold
from mmupt.benchmarks.pictures import located
from mmupt.benchmarks.wemath_options import split_options
from mmupt.errors import UserError
from mmupt.problems import ProblemSet
from mmupt.problems.rows import Columns, Row
from mmupt.types import Grade, Problem

HUB = Source("We-Math/We-Math", Columns(images=("image_path", "image")))
PAPER = "arXiv 2407.01284"
SPLITS = {"testmini": "testmini"}
BREAKDOWNS = ("key",)
TOGETHER = "composite"

RULES = (golds.TRIMMED, golds.LETTER)

_KEY = re.compile(r"([23])steps_([123]|multi)")
_MARKS = re.compile(r"[><:.]")


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """One split; `data` may be a folder with testmini.json, in itself or in its folder data, or one file."""
    return reading.load(HUB, SPLITS[split], data, _mended, pictures=pictures)


def _mended(row: Row) -> Row:
    fields = row.fields
    name, key = str(fields.get("ID") or ""), str(fields.get("key") or "")
    parts = _KEY.fullmatch(key)
    if not name or parts is None or parts[0] == "2steps_3":
        fix = "keep the data set's columns ID and key (2steps_1, ..., 3steps_multi)"
        raise UserError(f"ID {name!r} with key {key!r} names no question", where=row.where, fix=fix)
    gold = clean_gold(str(fields.get("answer") or ""), RULES)
    question, listed = str(fields.get("question") or ""), str(fields.get("option") or "")
    choices = split_options(listed)
    if gold not in tuple(LETTERS[: len(choices)]):
        question, choices = f"{question}\n{listed}".strip(), ()
    meta = {name: fields.get(name) for name in ("ID", "key", "knowledge concept", "question number")}
    kept = {
        "id": f"{name}/{key}",
        "question": question,
        "choices": list(choices),
        "answer": gold or None,
        "answer_type": "letter",
        "image_path": located(row, "image_path", "data") or fields.get("image"),
        "meta": {**meta, "composite": f"{parts[1]}steps/{name}", "part": parts[2]},
    }
    return replace(row, fields=kept)


def official(problem: Problem, response: str) -> Grade:
    """The authors' rule, and mmupt's own where the answer is in a box."""
    response = response[-RESPONSE:]
    rest = response.rpartition("Answer")[2]
    boxed = extract(rest, choices=problem.choices)
    letter = _letter(rest)
    if "box" not in boxed.reason and letter is None:
        boxed = extract(response, choices=problem.choices)
    if "box" in boxed.reason:
        letter = boxed.text
    if letter is None:
        return Grade(False, None, boxed.reason if "box" in boxed.reason else "no letter behind Answer")
    return Grade(letter == problem.answer, letter, f"said {letter}, gold {problem.answer}")


def _letter(rest: str) -> str | None:
    said = _MARKS.sub("", rest.strip()).strip()
    return said[0] if said and said[0] in "ABCDEFGH" else None


def measure(asked: Sequence[Problem], correct: Sequence[bool]) -> Measures:
    """Plain accuracy of all questions, and the paper's scores of the composite problems that are here as a whole."""
    return wemath_metrics.measure(asked, correct)
