"""The options of a We-Math question, one string `A. 3 cm; B. 4 cm; ...`, taken apart at their letters.

A split at ";" alone would break options that hold one themselves, and rows where it is missing between two options.
"""

import re

from mmupt.answers.choices import LETTERS

_ENDS = " \t\r\n;；,，"


def split_options(text: str) -> tuple[str, ...]:
    """The options' texts in order; () for a text that does not run A, B, ..."""
    marks: list[re.Match[str]] = []
    for letter in LETTERS:
        found = _mark(text, letter, marks[-1].end() if marks else 0)
        if found is None:
            break
        marks.append(found)
    if len(marks) < 2:
        return ()
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return tuple(text[mark.end() : end].strip(_ENDS) for mark, end in zip(marks, ends, strict=True))


def _mark(text: str, letter: str, start: int) -> re.Match[str] | None:
    """Where the option of this letter begins: at the start, behind a semicolon, else behind a space or a comma."""
    lead = r"\s*" if letter == "A" else r"[;；]\s*"
    for pattern in (
        rf"{lead}\(?{letter}\s*[.．、:：)]\s*",
        rf"{lead}{letter}\s+",
        rf"(?<=[\s,，])\(?{letter}\s*[.．、:：)]\s*(?=\S)",
    ):
        compiled = re.compile(pattern)
        found = compiled.match(text) if letter == "A" else compiled.search(text, start)
        if found:
            return found
    return None
