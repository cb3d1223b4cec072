"""The one notion of "the same answer": a key. Answers with equal keys are equal.

So equality is an equivalence relation by construction: symmetric, transitive, and cheap for a whole group.
"""

from collections.abc import Sequence

from mmupt.answers.choices import letter_of
from mmupt.answers.reader import read


def canonical_key(text: str, *, choices: Sequence[str] = ()) -> str | None:
    """The key of an answer, or None where the text holds no answer.

    With choices, an answer that names one of them (by letter, or by its text or value) has that choice's key.
    """
    letter = letter_of(text, choices) if choices else None
    if letter is not None:
        return f"choice:{letter}"
    reading = read(text)
    return None if reading is None else reading.key


def equal(a: str, b: str, *, choices: Sequence[str] = ()) -> bool:
    """Whether two answers are the same; a text without an answer equals nothing."""
    key = canonical_key(a, choices=choices)
    return key is not None and key == canonical_key(b, choices=choices)
