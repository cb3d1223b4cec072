"""One vote: count the classes, apply the tie rule and the thresholds.

Deterministic; the order of answers matters only where `tie` says so.
"""

from collections.abc import Sequence
from math import fsum
from typing import Literal

from mmupt.answers import canonical_key
from mmupt.types import Answer, Vote

Tie = Literal["abstain", "first"]


def vote(
    answers: Sequence[str | Answer | None],
    *,
    choices: Sequence[str] = (),
    tie: Tie = "abstain",
    min_count: int = 1,
    min_share: float = 0.0,
    weights: Sequence[float] | None = None,
) -> Vote:
    """The vote of one group of G answers.

    `tie`: "abstain" lets nobody win a tie; "first" gives it to the tied class that appeared first. `min_count` and
    `min_share` (of G, abstentions included) are what the winning class must reach. The label is the winning class's
    first member. `weights` are what each answer's vote counts: then the share is that of the weights, and `min_count`
    still counts answers.
    """
    texts = [answer.text if isinstance(answer, Answer) else answer for answer in answers]
    keys = [None if text is None else canonical_key(text, choices=choices) for text in texts]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key in keys if key is not None))}
    classes = tuple(None if key is None else numbers[key] for key in keys)
    counts = tuple(classes.count(number) for number in range(len(numbers)))
    worth = [1] * len(texts) if weights is None else weights
    sizes = [fsum(value for value, each in zip(worth, classes, strict=True) if each == n) for n in range(len(numbers))]
    most, whole = max(sizes, default=0.0), fsum(worth)
    share = most / whole if whole else 0.0
    tied = sizes.count(most) > 1
    first = sizes.index(most) if sizes else 0
    wins = bool(sizes) and counts[first] >= min_count and share >= min_share and not (tied and tie == "abstain")
    winner = first if wins else None
    return Vote(
        label=None if winner is None else texts[classes.index(winner)],
        share=share,
        abstentions=classes.count(None),
        tie=tied,
        classes=classes,
        counts=counts,
        winner=winner,
    )
