"""What a file in this room defines to be a judge, and how it is found by its name.

    VERSION: int        goes into rows and results as NAME@VERSION; it rises whenever a verdict may change
    verdict_for(benchmark: str) -> Verdict
                        the rule by which it judges the responses to one benchmark, or a UserError

A judge that asks a model defines `VERSION` and `SECOND_TO`, the judge whose verdict counts: its own is a second opinion
that is kept beside it. It says how with

    ask(problem: Problem, response: str, id: str) -> Prompt
    read(reply: str) -> Literal["correct", "wrong", "abstained", "unclear"]
"""

from collections.abc import Callable
from typing import Literal, Protocol, cast

from mmupt import registry
from mmupt.types import Grade, Problem, Prompt

Verdict = Callable[[Problem, str, bool], Grade]
"""(problem, response, whether it was cut off at the longest length) -> verdict."""
Opinion = Literal["correct", "wrong", "abstained", "unclear"]

_MEMBER = "VERSION"


class SecondJudge(Protocol):
    """A judge that asks a model."""

    VERSION: int

    def ask(self, problem: Problem, response: str, id: str) -> Prompt:
        """The prompt that shows question, gold and response."""

    def read(self, reply: str) -> Opinion:
        """What the model's reply says."""


def names() -> list[str]:
    """Every judge; imports none of them."""
    return registry.names(__package__, _MEMBER)


def first_of(name: str) -> str:
    """The judge whose verdict counts: the one named, or the one that it is second to."""
    return str(getattr(registry.load(__package__, name, _MEMBER), "SECOND_TO", name))


def second_of(name: str) -> SecondJudge | None:
    """The judge as one that gives a second opinion, or None."""
    module = registry.load(__package__, name, _MEMBER)
    return cast(SecondJudge, module) if hasattr(module, "SECOND_TO") else None


def label(name: str) -> str:
    """Name and version, as rows and results tell it: "boxed@1"."""
    return f"{name}@{registry.load(__package__, name, _MEMBER).VERSION}"


def verdict_of(name: str, benchmark: str) -> Verdict:
    """How the judge (or the one that it is second to) judges a benchmark's responses."""
    verdict: Verdict = registry.load(__package__, first_of(name), _MEMBER).verdict_for(benchmark)
    return verdict


def check(name: str, benchmark: str) -> None:
    """Refuse a judge that does not exist, or that cannot judge this benchmark."""
    verdict_of(name, benchmark)
