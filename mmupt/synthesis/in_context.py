"""In-context synthesis: the picture and a question about it; the model writes another one, different in meaning.

MM-UPT shows the gold answer beside the example. That is a label: here it is left out, or the model's own voted answer
takes its place, unless the user asks for the gold one.
"""

from collections.abc import Iterable

from mmupt.prompts import in_context_prompt
from mmupt.types import Problem, Prompt

NEEDS_QUESTION = True
WHAT = "example questions"


def sources(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Every problem that has a picture."""
    return tuple(problem for problem in problems if problem.images)


def prompt(id: str, source: Problem, answer: str | None) -> Prompt:
    """The prompt with the source as example, and the answer that the caller chose to show."""
    return in_context_prompt(id, source, answer=answer)
