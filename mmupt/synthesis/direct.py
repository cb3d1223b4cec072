"""Direct synthesis: the picture alone; the model writes a question freely. Diverse, with some invented conditions."""

from collections.abc import Iterable
from dataclasses import replace

from mmupt.problems.problem_set import image_digest
from mmupt.prompts import direct_prompt
from mmupt.types import Problem, Prompt

NEEDS_QUESTION = False
WHAT = "pictures"


def sources(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each different picture once, under the id of the first problem that shows it; no question comes along."""
    seen: set[str] = set()
    found: list[Problem] = []
    for problem in problems:
        for number, ref in enumerate(problem.images):
            if (digest := image_digest(ref)) not in seen:
                seen.add(digest)
                id = problem.id if number == 0 else f"{problem.id}#{number + 1}"
                found.append(replace(problem, id=id, question="", choices=(), images=(ref,), answer=None))
    return tuple(found)


def prompt(id: str, source: Problem, answer: str | None) -> Prompt:
    """The prompt for one picture; there is no example whose answer could be shown."""
    return direct_prompt(id, source.images[0])
