"""Which of the given choices an answer names: its letter, or else the one choice of the same text or value.

Never the nearest by edit distance, never by substring. Where letter and text disagree ("B. 14 cm" and B is 12 cm) the
letter wins, as it is what was asked for. An answer that fits two choices, or lists two letters, names none.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from mmupt.answers.clean import clean
from mmupt.answers.compare import same
from mmupt.answers.reader import read
from mmupt.answers.text import fold

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_LEAD = r"(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)(?:\s+is)?|选项?|答案)\s*[:：]?\s*"
_BARE = re.compile(rf"(?:{_LEAD})?[(\[]?\s*([A-Za-z])\s*[)\]]?\s*[.:]?", re.IGNORECASE)
_WITH_TEXT = re.compile(rf"(?:{_LEAD})?(?:[(\[]\s*([A-Z])\s*[)\]]|([A-Z])\s*[.:)])\s*[.:,]?\s*\S.*", re.DOTALL)
_FURTHER = re.compile(r"(?:[,;&]|\band\b|\bor\b|^[)\]]?\s*[.:,]?)\s*[(\[]?([A-Z])\s*[)\]]?\s*(?=[.:,;&]|$|and\b|or\b)")
_SEVERAL = re.compile(r"[(\[]?[A-Z][)\]]?(?:\s*[,;&]?\s*(?:and\s+)?[(\[]?[A-Z][)\]]?)+\.?")
_PREFIX = re.compile(r"\s*[(\[]?([A-Z])\s*[.:)\]]\s*(?=\S)")


def letter_form(text: str) -> str | None:
    """The letter of an answer that is written as one: B, (B), B., Option B, "B. 12 cm"; else None."""
    cleaned = clean(text)
    bare = _BARE.fullmatch(cleaned)
    if bare:
        return bare[1].upper()
    led = _WITH_TEXT.fullmatch(cleaned)
    if not led:
        return None
    letter = str(led[1] or led[2])
    others = {found[1] for found in _FURTHER.finditer(cleaned[led.end(1) if led[1] else led.end(2) :])}
    return letter if others <= {letter} else None


def letters_form(text: str, count: int) -> frozenset[str]:
    """The letters of an answer that names several of `count` choices (C, D; (C) and (D); CD), or none of them."""
    if not _SEVERAL.fullmatch(cleaned := clean(text)):
        return frozenset()
    letters = re.findall("[A-Z]", cleaned.replace("and", " "))
    return frozenset(letters if set(letters) <= set(LETTERS[:count]) and len(set(letters)) == len(letters) else ())


def letter_of(text: str, choices: Sequence[str]) -> str | None:
    """The letter of the choice that `text` names, or None."""
    return _letter_of(text, tuple(choices)) if choices else None


@lru_cache(maxsize=16_384)
def _letter_of(text: str, choices: tuple[str, ...]) -> str | None:
    letter = letter_form(text)
    if letter is not None and letter in LETTERS[: len(choices)] and not _other_choice(text, choices):
        return letter
    return _by_text(text, choices)


def gold_letter(gold: str, choices: Sequence[str], answer_type: str | None = None) -> str | None:
    """The letter of a gold answer, which may be a choice's text (MathVista) or a letter (We-Math).

    A text comes first, unless the answer type says "letter": among choices that read B, C, D, E the gold D is the
    fourth. Of choices with the gold's text the first stands for all.
    """
    letter = letter_form(gold) if answer_type == "letter" else None
    if letter is not None and letter in LETTERS[: len(choices)]:
        return letter
    texts = [choice.strip() for choice in choices]
    if gold.strip() in texts:
        return LETTERS[texts.index(gold.strip())] if len(texts) <= len(LETTERS) else None
    return letter_of(gold, choices)


def same_choice(one: str | None, other: str | None, choices: Sequence[str]) -> bool:
    """Whether two letters stand for one choice: they are equal, or the choices are written alike."""
    if one is None or other is None:
        return False
    return one == other or choices[LETTERS.index(one)].strip() == choices[LETTERS.index(other)].strip()


def _other_choice(text: str, choices: tuple[str, ...]) -> bool:
    """A lower-case letter is read as a choice's own text first ("a" among the choices x, a, b)."""
    return text.strip().islower() and len(text.strip()) == 1 and text.strip() in choices


def _by_text(text: str, choices: tuple[str, ...]) -> str | None:
    bare = _without_prefixes(choices)
    folded, reading = fold(clean(text)), read(text)
    if reading is None:
        return None
    tests: tuple[Callable[[str], bool], ...] = (
        lambda choice: fold(clean(choice)) == folded,
        lambda choice: _key(choice) == reading.key and _unit(choice) == reading.unit,
        lambda choice: _key(choice) == reading.key,
        lambda choice: (other := read(choice)) is not None and same(reading, other),
    )
    for fits in tests:
        fitting = [letter for letter, choice in zip(LETTERS, bare, strict=False) if fits(choice)]
        if fitting:
            return fitting[0] if all(same_choice(fitting[0], letter, choices) for letter in fitting) else None
    return None


def _without_prefixes(choices: tuple[str, ...]) -> tuple[str, ...]:
    """The choices' texts without letters of their own, where all of them carry theirs ("A. 12 cm", "B. 14 cm")."""
    found = [_PREFIX.match(choice) for choice in choices]
    if all(match and match[1] == letter for match, letter in zip(found, LETTERS, strict=False)):
        return tuple(choice[match.end() :] for choice, match in zip(choices, found, strict=True) if match)
    return choices


def _key(choice: str) -> str | None:
    reading = read(choice)
    return None if reading is None else reading.key


def _unit(choice: str) -> object:
    reading = read(choice)
    return None if reading is None else reading.unit
