"""The problems of a run: masked, checked against the model's chat template, and identified by a digest that no answer
enters."""

from dataclasses import dataclass, replace

from transformers import ProcessorMixin

from mmupt import problems, prompts
from mmupt.config.train import TrainConfig
from mmupt.errors import SampleError, UserError
from mmupt.problems import Skip
from mmupt.sampling.encode import chat_text, prompt_tokens
from mmupt.training.order import steps_per_epoch
from mmupt.types import Problem, Prompt


@dataclass(frozen=True)
class TrainingSet:
    """What is trained on, in the order of its source."""

    problems: tuple[Problem, ...]
    skipped: tuple[Skip, ...]
    """Problems that were left out, and why."""
    digest: str
    """Identifies questions, choices and pictures; the same whatever the answers are."""


def load(config: TrainConfig, processor: ProcessorMixin, *, answers: bool) -> TrainingSet:
    """Read the set. `answers` only for an estimator that says that it uses labels."""
    found = problems.load(config.data, answers=answers)
    kept: list[Problem] = []
    skipped = list(found.skipped)
    for problem in found.problems[: config.limit]:
        try:
            _refuse_long(processor, prompt_of(problem, config), config.max_prompt_tokens)
            kept.append(problem)
        except SampleError as error:
            skipped.append(Skip(id=problem.id, where=config.data, reason=str(error)))
    bare = [replace(problem, answer=None, answer_type=None, precision=None, unit=None) for problem in kept]
    return TrainingSet(tuple(kept), tuple(skipped), problems.digest(bare))


def _refuse_long(processor: ProcessorMixin, prompt: Prompt, limit: int | None) -> None:
    """A SampleError for a prompt that does not suit the chat template or is over the limit."""
    if limit is None:
        chat_text(processor, prompt)
    elif (length := prompt_tokens(processor, prompt)) > limit:
        raise SampleError(f"its prompt has {length} tokens, more than max_prompt_tokens = {limit}")


def prompt_of(problem: Problem, config: TrainConfig) -> Prompt:
    return prompts.answer_prompt(problem, system=config.system)


def total_steps(config: TrainConfig, count: int) -> int:
    """Steps of the whole run over `count` problems."""
    per_epoch = steps_per_epoch(count, config.problems_per_step)
    total = config.epochs * per_epoch if config.steps is None else config.steps
    if total < 1:
        raise UserError("there is nothing to train", where="steps", fix="set steps or epochs to 1 or more")
    return total
