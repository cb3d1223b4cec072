"""Problem -> chat messages. The one place where the answer format and the synthesis instructions are stated.

Training, evaluation and synthesis all build their prompts here, so that they cannot drift apart. A multiple-choice
question is shown as its text followed by one line for each choice, ``(A) ...``; a model that writes a question writes
it in that same form, so that what was written can be asked without rewording.

MM-UPT (arXiv 2505.22453) appends the answer format to the question after one space; its public prompts hold a literal
backslash-n at that place, which is not reproduced.
"""

import re
from collections.abc import Sequence

from mmupt.types import ImageRef, JsonValue, Problem, Prompt

ANSWER_FORMAT = "Please reason step by step, and put your final answer within \\boxed{}."
DIRECT = "Write a new question about this picture."
EXAMPLE = "Here is a question about this picture:"
EXAMPLE_ANSWER = "Its answer is:"
IN_CONTEXT = "Write a new question about the same picture, with a different meaning."
OPINION = """Here are a question, its reference answer, and a response to it.

Question:
{question}

Reference answer:
{gold}

Response:
{response}

(End of the response.) Does the final answer of the response mean the same as the reference answer? Do not solve the \
question again; wording, notation and the steps do not matter. Reply with one word in a box: \\boxed{correct} \
if it does, \\boxed{wrong} if it does not, \\boxed{none} if the response gives no final answer."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def question_text(question: str, choices: Sequence[str] = ()) -> str:
    """The question as it is shown: its text, then one line ``(A) choice`` for each choice."""
    return "".join([question, *(f"\n({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))])


def answer_prompt(problem: Problem, *, system: str | None = None) -> Prompt:
    """The prompt that asks for worked steps and a boxed answer. Never reads ``problem.answer``."""
    shown = question_text(problem.question, problem.choices) if problem.shown is None else problem.shown
    return chat(problem.id, f"{shown} {ANSWER_FORMAT}".lstrip(), problem.images, system=system)


def direct_prompt(id: str, image: ImageRef) -> Prompt:
    """The prompt that asks for a question about one picture, with nothing else given."""
    return chat(id, DIRECT, (image,))


def in_context_prompt(id: str, example: Problem, *, answer: str | None = None) -> Prompt:
    """The prompt that asks for another question about the example's pictures.

    ``answer`` is the example answer to show, chosen by the caller (the model's own voted answer, or a gold one);
    ``example.answer`` itself is never read.
    """
    return chat(id, in_context_text(question_text(example.question, example.choices), answer), example.images)


def in_context_text(shown: str, answer: str | None) -> str:
    """The text of the in-context prompt around an example question as it is shown, with or without an answer to it."""
    told = "" if answer is None else f"{EXAMPLE_ANSWER} {answer}\n"
    return f"{EXAMPLE} {shown}\n{told}{IN_CONTEXT}"


def opinion_prompt(id: str, question: str, gold: str, response: str) -> Prompt:
    """The prompt that asks whether a response agrees with the reference answer: text alone, without pictures."""
    shown = {"{question}": question, "{gold}": gold, "{response}": response}
    # In one pass: a response that holds "{gold}" stays as it is.
    return chat(id, re.sub(r"\{(?:question|gold|response)\}", lambda match: shown[match[0]], OPINION), ())


def chat(id: str, text: str, images: tuple[ImageRef, ...], *, system: str | None = None) -> Prompt:
    """One user turn: the pictures first, then the text; ``system`` replaces the chat template's own system turn."""
    pictures: list[JsonValue] = [{"type": "image"} for _ in images]
    turns: list[dict[str, JsonValue]] = [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}]
    if system is not None:
        turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    return Prompt(id=id, messages=tuple(turns), images=images)
