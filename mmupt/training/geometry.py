"""Settings -> the numbers of one step and of the whole run. Pure: nothing is read, nothing started."""

from dataclasses import dataclass

from mmupt.config.train import TrainConfig
from mmupt.training.groups import BatchShape
from mmupt.training.order import steps_per_epoch


@dataclass(frozen=True)
class Geometry:
    """What a step is made of, over all ranks."""

    rollouts: int
    """Completions that are sampled."""
    updates: int
    completions_per_update: int
    """Completions that one update trains on."""
    micro_batches: int
    """Of one update: completions that share a mean in the loss."""
    groups_per_rank: int
    """Whole groups that one rank trains in one update."""
    prompts_per_rank: int
    """Problems that one rank samples in one step."""
    tokens: int
    """Most tokens that go through the model in one pass over the step, each prompt once."""
    tokens_unshared: int
    """The same if every completion ran behind its own copy of the prompt."""


@dataclass(frozen=True)
class Length:
    """How long the run is; None where the number of problems is not known here."""

    problems: int | None
    steps_per_epoch: int | None
    steps: int | None


def geometry(config: TrainConfig, shape: BatchShape) -> Geometry:
    """The numbers of one step."""
    problems, group = config.problems_per_step, config.group_size
    prompt, completion = config.max_prompt_tokens or 0, config.rollout.max_tokens
    per_update = shape.problems_per_update * group
    return Geometry(
        rollouts=problems * config.rollouts_each,
        updates=config.updates_per_step,
        completions_per_update=per_update,
        micro_batches=per_update // shape.micro_batch_size,
        groups_per_rank=shape.groups_per_rank,
        prompts_per_rank=problems // shape.ranks,
        tokens=problems * (prompt + group * completion),
        tokens_unshared=problems * group * (prompt + completion),
    )


def length(config: TrainConfig, problems: int | None) -> Length:
    """Steps in all, from the rows of the data before any is left out; too few of them are refused."""
    if problems is None:
        return Length(None, None, config.steps)
    used = problems if config.limit is None else min(problems, config.limit)
    per_epoch = steps_per_epoch(used, config.problems_per_step)
    return Length(used, per_epoch, config.epochs * per_epoch if config.steps is None else config.steps)
