"""Choices that stand inside the text of a question -> the question's stem and the choices' texts.

Read are `A:40°`, `A. 40°`, `A) 40°` and `(A) 40°`, on lines of their own or in a row, behind a heading such as
"Choices:" or without one. The letters must run A, B, C, ... without a gap.
"""

import re

_HEADING = re.compile(r"\s*\b(?:choices?|options?)\s*[:：]\s*(?=\(?A\s*[:.)、．：])", re.IGNORECASE)
_MARK = re.compile(r"(?<![A-Za-z0-9\\{$])(?:\(([A-Z])\)|([A-Z])\s*[:.)、．：])\s*")
_SURE_MARK = re.compile(r"(?<![A-Za-z0-9\\{$])(?:\(([A-Z])\)|([A-Z])\s*[:.)、．：](?!\d))\s*")
"""Where nothing says that choices follow, A:2 may be a ratio."""
_LINE = re.compile(r"^\s*(?:\(([A-Z])\)|([A-Z])\s*[:.)、．：])\s*", re.MULTILINE)


def split_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """(stem, choices); a text without choices is all stem."""
    heading = _HEADING.search(text)
    stem, listed = (text[: heading.start()], text[heading.end() :]) if heading else ("", text)
    for marks in (_LINE, _MARK if heading else _SURE_MARK):
        found = _run(list(marks.finditer(listed)), last=heading is None)
        if len(found) > 1:
            ends = [match.start() for match in found[1:]] + [len(listed)]
            choices = tuple(listed[match.end() : end].strip() for match, end in zip(found, ends, strict=True))
            return (stem + listed[: found[0].start()]).strip(), choices
    return text.strip(), ()


def _run(marks: list[re.Match[str]], *, last: bool) -> list[re.Match[str]]:
    """The marks that run A, B, C, ... from the first A, or from the last A that a B follows."""
    starts = [at for at, mark in enumerate(marks) if _letter(mark) == "A"]
    for start in reversed(starts) if last else starts:
        run: list[re.Match[str]] = []
        for mark in marks[start:]:
            if _letter(mark) == chr(ord("A") + len(run)):
                run.append(mark)
        if len(run) > 1:
            return run
    return []


def _letter(mark: re.Match[str]) -> str:
    return str(mark[1] or mark[2])
