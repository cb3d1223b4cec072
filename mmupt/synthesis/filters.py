"""Which questions are dropped: near-duplicates, and those on which the model's vote is too weak or too sure.

Two questions are near-duplicates when they name the same numbers and labels (2.5, ABC, P) in the same order and their
tokens overlap by at least the threshold (Jaccard over token counts). So a rewording is dropped, while the same wording
about another number or label is a question of its own. At the default of 0.85 one word more makes no new question from
six words on, and one word exchanged (red for blue) none from thirteen words on.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from mmupt.types import Vote

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[\u3400-\u9fff]|[^\W\d_]+")
_ARTICLES = frozenset({"a", "A", "I", "i"})


@dataclass(frozen=True, slots=True)
class Gist:
    """What of a question is compared."""

    tokens: Counter[str]
    """Lower-case words, single Chinese characters, numbers."""
    symbols: tuple[str, ...]
    """Numbers and labels in order."""


def gist(question: str) -> Gist:
    """The question without punctuation, case and spacing."""
    found = _TOKEN.findall(question)
    return Gist(Counter(token.casefold() for token in found), tuple(token for token in found if _is_symbol(token)))


def overlap(one: Gist, other: Gist) -> float:
    """Jaccard similarity of the token counts, 0 to 1."""
    union = (one.tokens | other.tokens).total()
    return (one.tokens & other.tokens).total() / union if union else 1.0


@dataclass(slots=True)
class Seen:
    """The questions about each picture so far."""

    threshold: float
    gists: dict[str, list[Gist]] = field(default_factory=dict)

    def is_new(self, picture: str, question: str, source: str | None = None) -> bool:
        """Whether neither the source nor an earlier question about the picture is near; a new one is remembered."""
        new = gist(question)
        earlier = self.gists.setdefault(picture, [])
        others = earlier if source is None else [gist(source), *earlier]
        if any(self._near(new, other) for other in others):
            return False
        earlier.append(new)
        return True

    def _near(self, one: Gist, other: Gist) -> bool:
        return one.symbols == other.symbols and overlap(one, other) >= self.threshold


def vote_fault(vote: Vote, low: float, high: float) -> str | None:
    """ "vote-below" or "vote-above" the band of shares that is kept, or None."""
    if vote.share < low:
        return "vote-below"
    return "vote-above" if vote.share > high else None


def _is_symbol(token: str) -> bool:
    if token[0].isdigit():
        return True
    return token not in _ARTICLES and (len(token) == 1 or token.isupper()) and token.isascii()
