"""What the scripted sampler says: lines of a file, or a rule. Pure functions of prompt, position in the group and
seed.

A script is a JSONL file; each row has `match` (the id of a prompt, or a piece of its text; "" matches every prompt)
and `completions`. The first row that matches speaks: rollout g says completion g, beginning again at the end of the
list.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmupt.errors import UserError
from mmupt.prompts import ANSWER_FORMAT
from mmupt.sampling.protocol import derive_seed

CHOICE = re.compile(r"^\(([A-Z])\) ", re.MULTILINE)
SCALE = 1 << 48


class Script(Protocol):
    """The text of one rollout."""

    def text(self, prompt_id: str, asked: str, index: int, seed: int | None) -> str:
        """What is said to the prompt's text `asked`; `seed` is None for greedy."""


@dataclass(frozen=True)
class Lines:
    """A script file."""

    source: Path
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    def text(self, prompt_id: str, asked: str, index: int, seed: int | None) -> str:
        """See `Script`."""
        for match, completions in self.rows:
            if match == prompt_id or match in asked:
                return completions[index % len(completions)]
        fix = 'add a row with "match": "" for all other prompts'
        raise UserError(f"no row matches prompt {prompt_id}", where=str(self.source), fix=fix)


@dataclass(frozen=True)
class Rule:
    """Answers every question with one of two kinds of worked answer, or with none.

    The right answer of a question is made of its text alone, so that a group agrees on it; a wrong one varies with the
    seed. (No gold answer is known here.) A prompt that does not ask for an answer gets a question.
    """

    right: float = 0.5
    """Share of rollouts with the question's own answer."""
    wrong: float = 0.3
    """Share of rollouts with another answer; the rest ends without one."""

    def __post_init__(self) -> None:
        if min(self.right, self.wrong) < 0 or self.right + self.wrong > 1:
            fix = "use shares of at least 0 that add up to at most 1"
            raise UserError(f"right = {self.right} and wrong = {self.wrong} are no shares", where="scripted", fix=fix)

    def text(self, prompt_id: str, asked: str, index: int, seed: int | None) -> str:
        """See `Script`. Greedy says the most common kind."""
        if ANSWER_FORMAT not in asked:
            first, second = (derive_seed(asked, seed, part) % 90 + 1 for part in ("first", "second"))
            return f"What is {first} plus {second}?"
        answer, other = self._answers(asked, seed)
        said = {answer: self.right, other: self.wrong, None: 1 - self.right - self.wrong}
        luck = derive_seed("kind", asked, seed) / SCALE
        greedy = max(said, key=lambda one: said[one])
        drawn = answer if luck < self.right else other if luck < self.right + self.wrong else None
        box = greedy if seed is None else drawn
        return "The picture does not tell." if box is None else f"The picture shows it. The answer is \\boxed{{{box}}}."

    def _answers(self, asked: str, seed: int | None) -> tuple[str, str]:
        """The question's own answer and another one: two letters of its choices, or two numbers below 100."""
        names = CHOICE.findall(asked)
        known = names if len(names) > 1 else [str(number) for number in range(100)]
        right = derive_seed("right", asked) % len(known)
        step = 1 + derive_seed("wrong", asked, seed) % (len(known) - 1)
        return known[right], known[(right + step) % len(known)]


def read_script(path: Path) -> Lines:
    """A script file; a row of another form is a `UserError` with its line."""
    if not path.is_file():
        raise UserError(
            "no such script", where=str(path), fix="give a .jsonl file, or any other name for the built-in rule"
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = tuple(_row(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip())
    return Lines(path, rows)


def _row(line: str, where: str) -> tuple[str, tuple[str, ...]]:
    fix = 'write {"match": "...", "completions": ["...", ...]}'
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"this is no JSON ({error.msg})", where=where, fix=fix) from error
    match = row.get("match") if isinstance(row, dict) else None
    texts = row.get("completions") if isinstance(row, dict) else None
    if not (isinstance(match, str) and isinstance(texts, list) and texts and all(isinstance(t, str) for t in texts)):
        raise UserError("a row needs match and at least one completion", where=where, fix=fix)
    return match, tuple(texts)
