"""The boxes of a response, in one linear pass.

`\\boxed{..}`, `\\fbox{..}`, `\\boxed 5`, and a swallowed `\\b` ("oxed{..}").
"""

import re
from dataclasses import dataclass

_OPENER = r"(?:\\(?:boxed|fbox|framebox)|\x08oxed|(?<![A-Za-z\\])b?oxed)\s*"
_TOKEN = re.compile(
    rf"(?P<box>{_OPENER}\{{)|{_OPENER}(?P<bare>-?\d+(?:[.,]\d+)*%?|[A-Za-z](?![A-Za-z]))|\\.|[{{}}]", re.DOTALL
)
_ECHO = re.compile(
    r"(?:within|inside|in|using|with|format|into)\s*(?:an?|the|this|format)?\s*[:$`\"'(]*\s*$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Box:
    """One box of a response."""

    start: int
    end: int
    content: str | None
    """None: the box was never closed."""
    echo: bool
    """The words before it speak about a box ("within \\boxed{}"), as an echoed instruction does."""


def boxes(text: str) -> list[Box]:
    """All boxes in order of their start; of nested ones the innermost."""
    found: list[Box] = []
    open_groups: list[tuple[int, int] | None] = []
    for token in _TOKEN.finditer(text):
        if token["box"]:
            open_groups.append((token.start(), token.end()))
        elif token["bare"]:
            found.append(_box(text, token.start(), token.end(), token["bare"]))
        elif token[0] == "{":
            open_groups.append(None)
        elif token[0] == "}" and open_groups:
            opened = open_groups.pop()
            if opened and not (found and found[-1].start > opened[0]):
                found.append(_box(text, opened[0], token.end(), text[opened[1] : token.start()]))
    found.extend(_box(text, opened[0], len(text), None) for opened in open_groups if opened)
    return sorted(found, key=lambda box: box.start)


def _box(text: str, start: int, end: int, content: str | None) -> Box:
    return Box(start, end, content, _ECHO.search(text[max(0, start - 40) : start]) is not None)
