"""The answer slot of We-Math's template, `<Thought process>: <<..>>  <Answer>: <<B>>`."""

import re
from dataclasses import dataclass

from mmupt.answers.limits import ANSWER

_SLOT = re.compile(
    r"<\s{0,3}answer\s{0,3}>\s{0,9}[:：]?\s{0,9}(?P<open><{1,2})(?!\s{0,3}/?\s{0,3}answer)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Slot:
    """The last slot of a response."""

    start: int
    content: str
    """What stands in it, up to its closing mark or the end of its line."""


def slot(text: str) -> Slot | None:
    """The last slot, or None where the response has none."""
    found = None
    for match in _SLOT.finditer(text):
        found = match
    if found is None:
        return None
    line = text[found.end() : found.end() + 2 * ANSWER].partition("\n")[0]
    return Slot(found.start(), line.partition(">" * len(found["open"]))[0].strip())
