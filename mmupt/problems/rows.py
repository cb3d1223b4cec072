"""Rows of any source -> ProblemSet: the one place that decides what a good row is.

A fault of the data set as a whole (no rows, a row without a question, an id used twice, a field of the wrong kind) is
the user's to mend: UserError with file and row. A picture that is missing or broken costs its row only, which is named.
Unless answers are asked for, the columns that hold them are never looked at.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmupt.errors import SampleError, UserError
from mmupt.problems.fields import as_choices, as_meta, as_precision, as_text
from mmupt.problems.pictures import decode
from mmupt.problems.problem_set import ProblemSet, Skip, image_digest
from mmupt.types import ImageRef, Problem

GOLD_COLUMNS = frozenset({"answer", "solution", "gold", "label", "rationale", "explanation", "ground_truth"})
"""Columns that tell the answer: never kept as meta when answers are masked."""


_CONTROL = re.compile(r"<\|(?:image_pad|video_pad|vision_\w+|im_start|im_end|endoftext)\|>")


@dataclass(frozen=True, slots=True)
class Row:
    """One raw row of a source."""

    where: str
    """How a user finds it: "set.jsonl row 3"."""
    default_id: str
    """Its id when it names none."""
    fields: Mapping[str, object]
    base: Path = Path()
    """Folder that relative picture paths start from."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what: the first of the names that a row has is taken."""

    id: tuple[str, ...] = ("id",)
    question: tuple[str, ...] = ("question", "problem")
    images: tuple[str, ...] = ("images", "image", "decoded_image")
    choices: tuple[str, ...] = ("choices", "options")
    answer: tuple[str, ...] = ("answer", "solution")

    def named(self) -> frozenset[str]:
        return frozenset(self.id + self.question + self.images + self.choices + self.answer)


@dataclass(slots=True)
class _Checked:
    """What is known already about pictures, so that a shared one is decoded once."""

    faults: dict[str, str | None] = field(default_factory=dict)

    def fault(self, refs: tuple[ImageRef, ...]) -> str | None:
        for ref in refs:
            try:
                key = ref.path or image_digest(ref)
                if key not in self.faults:
                    self.faults[key] = _picture_fault(ref)
            except SampleError as error:
                return str(error)
            if self.faults[key] is not None:
                return self.faults[key]
        return None


def build(
    rows: Iterable[Row],
    *,
    source: str,
    columns: Columns = Columns(),
    answers: bool,
    questions: bool = True,
    pictures: bool = True,
) -> ProblemSet:
    """All rows as problems.

    `questions=False` also accepts rows that are pictures only. `pictures=False` looks at no picture, and leaves out
    those that are not there: their rows stay.
    """
    problems: list[Problem] = []
    skipped: list[Skip] = []
    seen: dict[str, str] = {}
    checked = _Checked()
    for row in rows:
        problem = to_problem(row, columns, answers=answers, questions=questions, pictures=pictures)
        if problem.id in seen:
            raise UserError(
                f"id {problem.id!r} was already used by {seen[problem.id]}", where=row.where, fix="make the ids unique"
            )
        seen[problem.id] = row.where
        fault = control_token(problem) or checked.fault(problem.images) if pictures else None
        if fault is None:
            problems.append(problem)
        else:
            skipped.append(Skip(problem.id, row.where, fault))
    if not problems:
        raise UserError(_empty(skipped), where=source, fix="give a set with at least one usable row")
    return ProblemSet(tuple(problems), tuple(skipped))


def control_token(problem: Problem) -> str | None:
    """Why the texts cannot be shown to a model: a placeholder written in them would stand for a picture or a turn."""
    found = (_CONTROL.search(text) for text in (problem.question, problem.shown or "", *problem.choices))
    return next((f"its text holds the control token {match[0]}" for match in found if match), None)


def to_problem(row: Row, columns: Columns, *, answers: bool, questions: bool, pictures: bool = True) -> Problem:
    """One row as a problem; its pictures are not looked at yet."""
    question = as_text(_pick(row, columns.question), row.where, "question").replace("<image>", "").strip()
    if questions and not question:
        names = " or ".join(columns.question)
        raise UserError("the row has no question", where=row.where, fix=f"fill in its {names}, or remove the row")
    hidden = frozenset() if answers else GOLD_COLUMNS
    answer = _pick(row, columns.answer) if answers else None
    get = row.fields.get
    return Problem(
        id=as_text(_pick(row, columns.id), row.where, "id") or row.default_id,
        question=question,
        images=_images(_pick(row, columns.images), row, pictures),
        choices=as_choices(_pick(row, columns.choices), row.where),
        answer=None if answer is None else as_text(answer, row.where, "answer"),
        answer_type=as_text(get("answer_type"), row.where, "answer_type") or None,
        precision=as_precision(get("precision")),
        unit=as_text(get("unit"), row.where, "unit") or None,
        shown=None if get("shown") is None else as_text(get("shown"), row.where, "shown"),
        meta=as_meta(row.fields, leave_out=columns.named() | hidden),
    )


def _pick(row: Row, names: tuple[str, ...]) -> object:
    return next((row.fields[name] for name in names if row.fields.get(name) is not None), None)


def _images(value: object, row: Row, needed: bool) -> tuple[ImageRef, ...]:
    listed = value if isinstance(value, list | tuple) else [] if value is None else [value]
    found = tuple(_image(item, row) for item in listed)
    if needed:
        if None in found:
            fix = "write the path of the file"
            raise UserError("an image is neither a path nor encoded bytes", where=row.where, fix=fix)
        return tuple(ref for ref in found if ref)
    return tuple(ref for ref in found if ref and (ref.path is None or Path(ref.path).is_file()))


def _image(item: object, row: Row) -> ImageRef | None:
    """A path, the encoded bytes, or the {"bytes", "path"} pair in which parquet and the hub keep pictures."""
    if isinstance(item, Mapping):
        item = item.get("bytes") if item.get("bytes") is not None else item.get("path")
    if isinstance(item, bytes):
        return ImageRef(data=item)
    return ImageRef(path=str(row.base / item)) if isinstance(item, str) and item else None


def _picture_fault(ref: ImageRef) -> str | None:
    try:
        decode(ref)
    except SampleError as error:
        return str(error)
    return None


def _empty(skipped: list[Skip]) -> str:
    if not skipped:
        return "the data set is empty"
    return f"all {len(skipped)} rows were skipped (first: {skipped[0].where}: {skipped[0].reason})"
