"""A set of problems, what was left out of it, and what identifies it.

`ProblemSet` is what every reader returns. It is never empty and its ids are unique: the readers see to both.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mmupt.errors import SampleError
from mmupt.types import ImageRef, Problem


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that was left out because its picture cannot be used."""

    id: str
    """Id of the problem."""
    where: str
    """The row or file, as a user would look for it."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class ProblemSet:
    """Problems in the order of their source."""

    problems: tuple[Problem, ...]
    skipped: tuple[Skip, ...] = ()
    """Rows whose pictures could not be read; named so that a user can mend them."""


def without_answers(problem_set: ProblemSet) -> ProblemSet:
    """The same set with every gold answer gone, so that nothing downstream can see one."""
    masked = tuple(replace(problem, answer=None) for problem in problem_set.problems)
    return replace(problem_set, problems=masked)


def image_bytes(ref: ImageRef) -> bytes:
    """The encoded picture. SampleError when the file is not there or is no regular file."""
    if ref.data is not None:
        return ref.data
    path = Path(ref.path or "")
    if not path.is_file():
        raise SampleError(f"no picture at {path}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise SampleError(f"cannot read {path}: {error.strerror}") from error


def image_digest(ref: ImageRef) -> str:
    """sha256 of the encoded picture, in hexadecimal."""
    return hashlib.sha256(image_bytes(ref)).hexdigest()


def digest(problems: Iterable[Problem]) -> str:
    """sha256 over all that a model or a judge is shown: ids, texts, choices, pictures, golds; never over paths."""
    total = hashlib.sha256()
    for problem in problems:
        shown = [problem.id, problem.question, list(problem.choices), problem.answer, problem.answer_type]
        shown.append([image_digest(ref) for ref in problem.images])
        if problem.shown is not None:
            shown.append(problem.shown)
        total.update(json.dumps(shown, ensure_ascii=True).encode() + b"\n")
    return total.hexdigest()
