"""Responses to a benchmark's problems: those of a sampler, of a file, or of a run; and the rows that keep them.

A file of responses is JSON lines with `id` and `response`, and where there are any `index` (of several responses to one
problem), `finish_reason` ("length": cut off) and `tokens`; other keys are passed over, so a run's samples.jsonl is one.
A number is taken as its text, and null as an empty response.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmupt.disk import disk_errors
from mmupt.errors import UserError
from mmupt.problems.jsonl import json_object
from mmupt.types import Grade, JsonValue, Problem, Rollout

Row = Mapping[str, JsonValue]
_FORM = 'write {"id": "...", "response": "..."}, one object a line'


@dataclass(frozen=True, slots=True)
class Response:
    """One response, wherever it is from."""

    problem_id: str
    text: str
    index: int = 0
    """Which of the problem's responses it is."""
    finish_reason: str | None = None
    """"length" means cut off; None is not known."""
    tokens: int | None = None
    where: str = ""
    """File and line, for error messages."""

    @property
    def truncated(self) -> bool:
        """Whether it was cut off at the longest length."""
        return self.finish_reason == "length"


def of_rollout(rollout: Rollout) -> Response:
    """What a sampler said."""
    return Response(rollout.problem_id, rollout.text, rollout.index, rollout.finish_reason, len(rollout.token_ids))


def sample_row(problem: Problem, response: Response, verdict: Grade, judge: str) -> dict[str, JsonValue]:
    """The row of samples.jsonl."""
    return {
        "id": problem.id,
        "index": response.index,
        "response": response.text,
        "extracted": verdict.answer,
        "gold": problem.answer,
        "verdict": "correct" if verdict.correct else "wrong" if verdict.answer is not None else "abstained",
        "reason": verdict.reason,
        "judge": judge,
        "finish_reason": response.finish_reason,
        "tokens": response.tokens,
    }


def read(path: Path) -> list[Response]:
    """The responses of a file, in its order; a line of another form is a UserError that names it."""
    if not path.is_file():
        raise UserError("no such file of responses", where=str(path), fix="give a .jsonl file")
    with disk_errors(path):
        data = path.read_bytes()
    found = [_response(line, f"{path}, line {number}") for number, line in _lines(data)]
    if not found:
        raise UserError("holds no responses", where=str(path), fix=_FORM)
    return found


def by_problem(responses: Sequence[Response]) -> dict[str, list[Response]]:
    """Problem id -> its responses by index; a second one with the same index is refused."""
    found: dict[str, dict[int, Response]] = {}
    for response in responses:
        here = found.setdefault(response.problem_id, {})
        if response.index in here:
            what = f"a second response to problem {response.problem_id!r}"
            fix = "keep one, or number several responses to a problem with index 0, 1, ..."
            raise UserError(what, where=response.where, fix=fix)
        here[response.index] = response
    return {id: [here[index] for index in sorted(here)] for id, here in found.items()}


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _response(line: bytes, where: str) -> Response:
    row = json_object(line, where, _FORM)
    id, text = _id(row, where), _said(row, where)
    index, reason, tokens = row.get("index", 0), row.get("finish_reason"), row.get("tokens")
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        fix = "number the responses to a problem 0, 1, ..."
        raise UserError("index is no whole number from 0", where=where, fix=fix)
    if not isinstance(reason, str | None):
        raise UserError("finish_reason is no text", where=where, fix='write "stop" or "length", or leave it out')
    return Response(id, text, index, reason, tokens if type(tokens) is int else None, where)


def _id(row: Mapping[str, object], where: str) -> str:
    id = row.get("id")
    if isinstance(id, bool) or not isinstance(id, str | int):
        what = "the row has no id" if id is None else "the id is neither text nor a whole number"
        raise UserError(what, where=where, fix=_FORM)
    return str(id)


def _said(row: Mapping[str, object], where: str) -> str:
    fix = 'write "" for an empty one, or leave the row out'
    if "response" not in row:
        raise UserError(f"problem {str(row['id'])!r} has no response", where=where, fix=fix)
    text = row["response"]
    if isinstance(text, bool) or not isinstance(text, str | int | float | None):
        raise UserError(f"the response to {str(row['id'])!r} is no text", where=where, fix=fix)
    return "" if text is None else str(text)
