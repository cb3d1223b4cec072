"""A completion -> the question that it holds, or why it holds none. Never evaluates or repairs what was written.

Expected is what an answer prompt would show: the question's text, then for multiple choice the lines "(A) x", "(B) y"
and so on. A heading ("Question:", bold or not) is dropped, and so is everything from a line that starts to answer.
"""

import re
from dataclasses import dataclass

from mmupt.prompts import LETTERS


@dataclass(frozen=True, slots=True)
class Written:
    """A question that can be asked."""

    question: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a completion is no question."""

    reason: str
    """One of REASONS."""


LONGEST_ANSWER = 200
"""Characters of an example answer."""
REASONS = ("truncated", "empty", "too-long", "markup", "proof", "box", "choices")

_HEADING = re.compile(r"^\W{0,4}(?:new |my )?question(?: \d+)?\s*\W{0,2}:\W{0,2}(?=\s|\w|$)", re.IGNORECASE)
_ANSWERS = re.compile(r"^\W{0,4}(?:the )?(?:correct |final )?(?:answer|solution|explanation)\s*\W{0,2}:", re.IGNORECASE)
_CHOICE = re.compile(r"^\s{0,8}(?:\(([A-Z])\)|([A-Z])[.):])\s+(\S.*)$")
_PROOF = re.compile(r"\b(?:prove|proof|show that|justify|explain why)\b", re.IGNORECASE)
# The answer's box, as in "put it in a box"; a picture may well show boxes that one can count.
_BOX = re.compile(r"\\f?box|\bboxed\b|\b(?:in|inside|within) (?:a|the) box\b", re.IGNORECASE)
_MARKUP = re.compile(r"<\|[^|<>]{0,40}\|>|<image>", re.IGNORECASE)


def parse(text: str, *, truncated: bool = False, max_characters: int = 1000) -> Written | Rejected:
    """The question, or the first reason against it in the order of REASONS."""
    if truncated:
        return Rejected("truncated")
    if len(text) > 4 * max_characters:  # bounds the work of everything below
        return Rejected("too-long")
    lines = _before_answer(_HEADING.sub("", text.strip(), count=1).strip().splitlines())
    first = next((number for number, line in enumerate(lines) if _CHOICE.match(line)), len(lines))
    question = "\n".join(line.rstrip() for line in lines[:first]).strip(" \t\n*#")
    shown = "\n".join(lines)
    if not re.search(r"\w", question):
        return Rejected("empty")
    if len(shown) > max_characters:
        return Rejected("too-long")
    for reason, pattern in (("markup", _MARKUP), ("proof", _PROOF), ("box", _BOX)):
        if pattern.search(shown):
            return Rejected(reason)
    choices = _choices(lines[first:])
    return Rejected("choices") if choices is None else Written(question, choices)


def showable(answer: str | None) -> str | None:
    """An example answer that may stand in a prompt: short, and without a control token that a model has spelled out."""
    if answer is None or len(answer) > LONGEST_ANSWER or _MARKUP.search(answer):
        return None
    return answer


def _before_answer(lines: list[str]) -> list[str]:
    end = next((number for number, line in enumerate(lines) if _ANSWERS.match(line)), len(lines))
    return lines[:end]


def _choices(lines: list[str]) -> tuple[str, ...] | None:
    """The choices' texts; None unless at least two different ones are lettered A, B, ... with nothing in between."""
    found: list[str] = []
    for line in (line for line in lines if line.strip()):
        match = _CHOICE.match(line)
        if match is None or len(found) == len(LETTERS) or (match[1] or match[2]) != LETTERS[len(found)]:
            return None
        found.append(match[3].strip())
    if len(found) == 1 or len({choice.casefold() for choice in found}) != len(found):
        return None
    return tuple(found)
