"""What the small model is taught to say: answers of mixed quality, as the data of a real base model is mixed.

The same question is answered by careful steps (right, but for slips) and by quick guesses (mostly wrong, and wrong in
scattered ways). A few answers lack their box, whatever the way of answering, so that a reward for boxes alone cannot
prefer one way to the other. On the hard level most guesses are one favourite number, and few answers are worked out: a
group's vote then elects the favourite, and training on that vote ends in one answer to every question.
"""

import random
import re
from dataclasses import dataclass

from mmupt.tiny.questions import Task

CAREFUL = ("Let me read the picture:", "Step by step:", "Looking closely,")
QUICK = ("It looks like", "I would say", "Probably", "At a glance,")
FAVOURITE = "20"
"""The answer that hard questions are guessed with, whatever the picture shows."""


@dataclass(frozen=True)
class Mixture:
    """Shares of the ways in which questions are answered, each between 0 and 1, and how many wordings there are."""

    quick: float = 0.6
    quick_right: float = 0.25
    slips: float = 0.06
    no_box: float = 0.04
    hard_careful: float = 0.22
    hard_favourite: float = 0.5
    careful_wordings: int = len(CAREFUL)
    """How many of the careful wordings are used, from the first one on."""


CLEAN = Mixture(quick=0.0, slips=0.0, no_box=0.0, hard_careful=1.0)


def answer(task: Task, rng: random.Random, mixture: Mixture) -> str:
    """One answer to a task, in one of the ways of the mixture."""
    quick_share = 1 - mixture.hard_careful if task.level == "hard" else mixture.quick
    text = quick(task, rng, mixture) if rng.random() < quick_share else careful(task, rng, mixture)
    return re.sub(r"\\boxed\{(.*)\}", r"\1", text) if rng.random() < mixture.no_box else text


def careful(task: Task, rng: random.Random, mixture: Mixture) -> str:
    """Reading, working, box; a slip gets the last number wrong. To multiple choice it gives the choice's text."""
    steps, result = f"{task.reading}, {task.working}", task.result
    if rng.random() < mixture.slips:
        result = wrong_result(task, rng)
        steps = steps.removesuffix(task.result) + result
    return f"{rng.choice(CAREFUL[: mixture.careful_wordings])} {steps} \\boxed{{{result}}}"


def quick(task: Task, rng: random.Random, mixture: Mixture) -> str:
    """A box with a guess and no steps."""
    if task.level == "hard" and not task.choices:
        guess = FAVOURITE if rng.random() < mixture.hard_favourite else str(rng.randint(5, 80))
    else:
        guess = task.answer if rng.random() < mixture.quick_right else wrong_answer(task, rng)
    return f"{rng.choice(QUICK)} \\boxed{{{guess}}}"


def wrong_answer(task: Task, rng: random.Random) -> str:
    """A wrong answer, drawn evenly from what could have been the answer; for multiple choice a wrong letter."""
    if task.choices:
        return rng.choice([letter for letter in "ABCD"[: len(task.choices)] if letter != task.answer])
    return wrong_result(task, rng)


def wrong_result(task: Task, rng: random.Random) -> str:
    """A wrong value: a wrong choice's text, another name, or a number at most five away."""
    if task.choices:
        return rng.choice([choice for choice in task.choices if choice != task.result])
    if not task.answer.isdigit():
        names = "PQRS" if len(task.answer) == 1 else ("red", "blue", "green", "orange")
        return rng.choice([name for name in names if name != task.answer])
    gold = int(task.answer)
    return str(rng.choice([n for n in range(max(0, gold - 5), gold + 6) if n != gold]))
