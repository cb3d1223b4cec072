"""Rollouts of one step: whole groups, all that vote, from the source that the run has opened (`sources`)."""

from collections.abc import Sequence

from mmupt.config.train import TrainConfig
from mmupt.errors import MmuptError
from mmupt.sampling.encode import Encoded
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.protocol import SamplingParams, derive_seed
from mmupt.training.groups import check_whole
from mmupt.training.sources import Source
from mmupt.types import Prompt, Rollout


def roll_out(
    source: Source, config: TrainConfig, step: int, prompts: Sequence[Prompt], gallery: Gallery | None = None
) -> list[list[Rollout]]:
    """One group for each prompt. Seeds depend on the step and the problem alone, not on which rank samples it."""
    settings = config.rollout
    params = SamplingParams(
        n=config.rollouts_each,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=config.seed,
    )
    seeds = [derive_seed(config.seed, "rollout", step, prompt.id) for prompt in prompts]
    groups = source.sample(prompts, params, seeds, gallery)
    for prompt, group in zip(prompts, groups, strict=True):
        check_whole(group, prompt.id, config.rollouts_each)
    return groups


def check_prompts(prompts: Sequence[Prompt], encoded: Sequence[Encoded], groups: Sequence[Sequence[Rollout]]) -> None:
    """Stop if the engine has sampled behind another prompt than the one that is trained."""
    for prompt, mine, group in zip(prompts, encoded, groups, strict=True):
        theirs, ours = group[0].prompt_tokens, len(mine.input_ids)
        if theirs != ours:
            raise MmuptError(
                f"{prompt.id}: the engine's prompt has {theirs} tokens and the trainer's {ours}; "
                "their processors differ: set rollout.min_pixels and max_pixels, or serve the same model folder"
            )
