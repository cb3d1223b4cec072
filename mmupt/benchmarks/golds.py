"""Gold answers as data sets have them -> as they are meant. Each rule states why, and an example that a test checks.

A rule takes away what is not the answer: a delimiter, a name, a unit's garbage. None of them changes a value.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmupt.answers.reader import read


@dataclass(frozen=True, slots=True)
class Rule:
    """One cleaning rule."""

    why: str
    before: str
    """An example of a gold as the data set has it."""
    after: str
    """The same one cleaned by this rule alone."""
    apply: Callable[[str], str]


def clean_gold(gold: str, rules: Sequence[Rule]) -> str:
    """The gold after all rules, in their order."""
    for rule in rules:
        gold = rule.apply(gold)
    return gold


_TAGS = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_NAMED = re.compile(r"\s*(?:[A-Za-z]+(?: [A-Za-z]+)*|\\[a-z]+)\s*=\s*([^=]+)")
_REVERSED = re.compile(r"([^=]+?)\s*=\s*[A-Za-z]\s*")
_POINT = re.compile(r".*=\s*((?:\\left\s*)?\([^()=]*,[^()=]*\))\s*")
_LETTER = re.compile(r"\(([A-Z])\)|([A-Z])\.")
_LETTERS = re.compile(r"[A-Z](?:\s*\n\s*[A-Z])+")


def _value(pattern: re.Pattern[str], gold: str) -> str:
    """What the pattern says is the value, if that is one number; an equation such as y = 2x stays whole."""
    found = pattern.fullmatch(gold)
    reading = read(found[1]) if found else None
    return found[1].strip() if found and reading and reading.value is not None else gold


def _first_group(pattern: re.Pattern[str], gold: str) -> str:
    found = pattern.fullmatch(gold)
    return next((group for group in found.groups() if group), gold).strip() if found else gold


TRIMMED = Rule("space around the answer", " 12 ", "12", str.strip)
TAGGED = Rule(
    "the tags of a response around the answer",
    "<answer> 145° </answer>",
    "145°",
    lambda gold: _first_group(_TAGS, gold),
)
DEGREES = Rule("a degree sign read in the wrong encoding", "118掳T", "118°T", lambda gold: gold.replace("掳", "°"))
BEARING = Rule("T behind a bearing in degrees", "118°T", "118°", lambda gold: re.sub(r"(?<=°)\s*T$", "", gold))
LETTER = Rule("brackets or a full stop at a letter", "(C)", "C", lambda gold: _first_group(_LETTER, gold))
LETTERS = Rule(
    "several letters in several lines",
    "C\nD",
    "C, D",
    lambda gold: ", ".join(gold.split()) if _LETTERS.fullmatch(gold) else gold,
)
DOLLARS = Rule(
    "dollar signs around mathematics, also in the middle",
    r"Area $=113.1 \mathrm{~cm}^{2}$",
    r"Area =113.1 \mathrm{~cm}^{2}",
    lambda gold: re.sub(r"(?<!\\)\$", "", gold),
)
POINT = Rule(
    "what a point is called, or found from",
    r"(x, y)=\left(90^{\circ}, 5\right)",
    r"\left(90^{\circ}, 5\right)",
    lambda gold: _first_group(_POINT, gold),
)
NAME = Rule(
    "the name of a quantity before its value",
    r"Area =113.1 \mathrm{~cm}^{2}",
    r"113.1 \mathrm{~cm}^{2}",
    lambda gold: _value(_NAMED, gold),
)
NAME_BEHIND = Rule("the name of a quantity behind its value", "5=s", "5", lambda gold: _value(_REVERSED, gold))
