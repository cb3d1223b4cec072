"""The judge `llm`: a second opinion by a model, beside the verdict of `boxed`, which counts.

The model sees the question, the gold and the response as text (no picture), and puts one word into a box: correct,
wrong or none. Anything else, and a reply that was cut off, is unclear. The prompt is `mmupt.prompts.opinion_prompt`.
"""

from collections.abc import Mapping

from mmupt.answers import extract
from mmupt.judges.contract import Opinion
from mmupt.prompts import opinion_prompt, question_text
from mmupt.types import Problem, Prompt

VERSION = 1
SECOND_TO = "boxed"
LONGEST = 8_000
"""Characters of a response that are shown; of a longer one the beginning goes, since answers stand at the end."""
_WORDS: Mapping[str, Opinion] = {"correct": "correct", "wrong": "wrong", "none": "abstained"}


def ask(problem: Problem, response: str, id: str) -> Prompt:
    """The prompt for one response."""
    shown = question_text(problem.question, problem.choices)
    return opinion_prompt(id, shown, problem.answer or "", response[-LONGEST:])


def read(reply: str) -> Opinion:
    """The word in the reply's box."""
    answer = extract(reply).text
    return _WORDS.get("" if answer is None else answer.strip(" .*").lower(), "unclear")
