"""Answers without a box: declared in words by a few narrow phrases (the last one wins), or the whole of the response.

"The answer is 12", "the correct option is C", "Answer: 5", "#### 36", "故选：C". What follows must be a value, a choice
or a word or two; a negation, a refusal or a clause is no answer. There is no fallback to the last number.
"""

import re
from collections.abc import Iterator, Sequence

from mmupt.answers.choices import letter_of
from mmupt.answers.clean import tidy
from mmupt.answers.reader import read

BARE = 80
"""Characters of a response that may be nothing but an answer."""

_DECLARED = re.compile(
    r"(?:\b(?:the|my|our|final|correct|right|best)\s+(?:(?:final|correct|right|best)\s+)?answer(?:\s+(?:choice|option))?"
    r"|\b(?:correct|right|best)\s+(?:answer|option|choice)|(?:^|[\n*#<.])\s*(?:final\s+)?answer|答案|正确选项)"
    r"[*_>]{0,3}\s*(?:is|would be|must be|should be|=|[:：是为])[ \t*:：]{0,5}(?=(?P<rest>[^\n]{1,300}))"
    r"|(?:^|\n)####[ \t]{1,3}(?P<hash>[^\n#]{1,100})"
    r"|(?<!不)选择?\s*[:：]?\s*(?P<pick>[A-Z])(?![A-Za-z])",
    re.IGNORECASE,
)
_POINTED = re.compile(r"<{1,2}([^<>]*)>{1,2}")
_END = re.compile(
    r"\.(?=\s|\*|$)|[。；;!?！？]|,?\s+(?:since|because|as|which|where|so|not|but|and not|rather than|instead of)\s|，"
)
_NEGATION = re.compile(
    r"(?:not|no|never|neither|cannot|can't|unknown|unclear|impossible|un\w+able)\b(?!\s*$)", re.IGNORECASE
)
_NO_ANSWER = re.compile(
    r"(?:unknown|unclear|impossible|undetermined|indeterminable|unavailable|wrong|right|correct|as follows)",
    re.IGNORECASE,
)
_FILLER_WORDS = "in the a an that this these to as at on of below above shown given by with from it is are i we you"
_FILLERS = frozenset(_FILLER_WORDS.split())


def bare(text: str, choices: Sequence[str]) -> str | None:
    """A response that is nothing but an answer, on one line: a choice, or a value that is no prose; else None."""
    said = tidy(text) if len(text) <= BARE else ""
    if not said or "\n" in said:
        return None
    if choices:
        return said if letter_of(said, choices) else None
    if len(said) > 1 and said.isalpha():
        return None  # "hm" would be read as h times m
    reading = read(said)
    return said if reading is not None and reading.kind not in ("text", "latex") else None


def phrase(text: str, choices: Sequence[str]) -> str | None:
    """The last answer that is declared in words, or None."""
    found = None
    for declared in _candidates(text):
        if _is_answer(declared, choices):
            found = declared
    return found


def _candidates(text: str) -> Iterator[str]:
    for match in _DECLARED.finditer(text):
        rest = match["rest"] or match["hash"]
        if rest is None:
            yield match["pick"]
            continue
        yield _sentence(rest)


def _sentence(rest: str) -> str:
    formula = re.match(r"\s*(\$\$?[^$]{1,200}\$\$?|\\\(.{1,200}?\\\))", rest)
    if formula:
        return tidy(formula[1])
    end = _END.search(rest)
    said = tidy((rest[: end.start()] if end else rest).rstrip("* "))
    pointed = _POINTED.fullmatch(said)
    return tidy(pointed[1]) if pointed else said


def _is_answer(text: str, choices: Sequence[str]) -> bool:
    if not text or "boxed" in text or _NEGATION.match(text) or _NO_ANSWER.fullmatch(text):
        return False
    if choices and letter_of(text, choices) is not None:
        return True
    reading = read(text)
    if reading is None or reading.kind != "text":
        return reading is not None
    words = text.split()
    return len(words) <= 2 and not _FILLERS.intersection(word.lower() for word in words)
