"""The rule of MATH-Vision's own scorer (its evaluation/evaluate.py and utils.py), told anew.

An answer is read out of a response by fixed phrases and boxes, stripped of LaTeX dress and units, and compared in lower
case: as it stands, or as a number rounded to two decimals, or member by member in (a, b) and [a, b]. The authors
evaluate the text as code; here the reader of `mmupt.answers` gives the value, which bounds what an answer may cost.
"""

import re
from fractions import Fraction

from mmupt.answers.limits import EXPRESSION, RESPONSE
from mmupt.answers.reader import read

_PHRASES = ("the final answer is", "the answer is", "the correct answer is", "the answer should be")
_BOX = re.compile(r"oxed\{(.*)\}", re.DOTALL)
_MIXED = re.compile(r"(?<=\d)\s*(?=\\frac)")
_GROUPED_RATIO = re.compile(r"[({]+([\d.]+:[\d.]+)[)}]+")
_BRACKETED_LETTERS = (re.compile(r"\(([a-e])\)"), re.compile(r"\{([a-e])\}"))
_GONE = (
    " ", "\\,", "\n", "\\text", "\\mbox", "\\left", "\\right", "^{\\circ}", "^\\circ", "{m}^3", "m^3", "{units}",
    "units", "{km}", "km", "\\!", "\\$", "$", "\\%",
)  # fmt: skip


def extracted(response: str) -> str:
    """The answer that the authors' script finds in a response; of an answer alone, that answer."""
    text = _letter_at_an_end(response[-RESPONSE:].strip())
    number = text.split("is ")[-1].rstrip(".")
    if _is_number(number):
        text = number
    if "oxed{" in text:
        text = "oxed{" + text.split("oxed{")[-1] if text.count("oxed{") > 1 else text
    else:
        for phrase in _PHRASES:
            for spelled in (phrase, phrase.capitalize()):
                if spelled in text:
                    text = text.split(spelled)[-1].strip().split("\n")[0].split(". ")[0]
    bare = _undressed(text)
    for bracketed in _BRACKETED_LETTERS:
        bare = bracketed.sub(r"\1", bare)
    return bare.rstrip(".").lstrip(":").strip()


def same(answer: str, gold: str) -> bool:
    """Whether two answers are equal by the rule; an empty one equals nothing."""
    said, meant = answer.lower().strip(), gold.lower().strip()
    if not said.replace(" ", "") or not meant.replace(" ", ""):
        return False
    if said == meant:
        return True
    members = [_members(text) for text in (said, meant)]
    if members[0] is not None or members[1] is not None:
        return members[0] == members[1]
    values = [_rounded(text) for text in (said, meant)]
    return values[0] is not None and values[0] == values[1]


def _letter_at_an_end(text: str) -> str:
    for letter in "ABCDE":
        if text.endswith((f" {letter}.", f" ({letter}).")):
            return letter
        if text.startswith((f"{letter}\n", f"({letter})\n", f"({letter}) {letter}\n")):
            return letter
    return text


def _undressed(text: str) -> str:
    text = text.lower().replace("{}", "")
    boxed = _BOX.findall(text)
    text = boxed[-1] if boxed else text
    if "}" in text and ("{" not in text or text.find("}") < text.find("{")):
        text = text.split("}")[0]
    text = text.split("=")[-1].split("\\approx")[-1]
    text = text.replace("∞", "\\infty").replace("+\\infty", "\\infty").replace("bmatrix", "pmatrix")
    for gone in _GONE:
        text = text.replace(gone, "")
    return re.sub(r"(?:tfrac|dfrac)", "frac", text.replace("\\\\", "\\"))


def _members(text: str) -> list[object] | None:
    """The members of (a, b) or [a, b] with their brackets, numbers rounded; None for anything else."""
    inner = text[1:-1].split(",")
    if len(inner) < 2 or text[0] + text[-1] not in ("()", "[]"):
        return None
    return [text[0], *(part if (value := _rounded(part)) is None else value for part in map(str.strip, inner))]


def _rounded(text: str) -> Fraction | float | None:
    """The number that a text says, to two decimals; None for what is no plain number (a unit makes it none)."""
    if len(text) > EXPRESSION:
        return None
    text = _parsed(text)
    reading = read(text)
    if reading is None or reading.value is None or reading.unit or reading.label or reading.kind == "percent":
        return None
    if reading.kind == "ratio" and re.search(r"[a-z%]", text):
        return None
    if isinstance(reading.value, Fraction) and reading.value.denominator == 1:
        return reading.value
    try:
        return round(float(reading.value), 2)
    except OverflowError:
        return None


def _parsed(text: str) -> str:
    """What the authors' reader of LaTeX sees in a text.

    It stops at a full stop and at a brace that closes what was not opened; a mixed number is a product to it.
    """
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth < 0 or (character == "." and not text[at + 1 : at + 2].isdigit()):
            text = text[:at]
            break
    return _GROUPED_RATIO.sub(r"\1", _MIXED.sub("*", text))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
