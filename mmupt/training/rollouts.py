"""Rollouts from the policy as it is now: whole groups, n = G for each prompt, from the sampler that the recipe names.

transformers (and auto, here) samples from the live weights. Another engine cannot see them: the weights are written to
a folder aside and a fresh engine is started on it, once for each step.
"""

import copy
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from torch import nn
from transformers import ProcessorMixin

from mmupt import sampling
from mmupt.config.sampling import RolloutConfig
from mmupt.config.train import TrainConfig
from mmupt.sampling.protocol import Sampler, SamplingParams, derive_seed
from mmupt.sampling.transformers import BATCH_SIZE, TransformersSampler
from mmupt.training.engine import Engine
from mmupt.training.groups import check_whole
from mmupt.types import Prompt, Rollout

LIVE = ("auto", "transformers")


def roll_out(
    engine: Engine, processor: ProcessorMixin, config: TrainConfig, step: int, prompts: Sequence[Prompt]
) -> list[list[Rollout]]:
    """One group for each prompt. Seeds depend on the step and the problem alone, not on which rank samples it."""
    settings = config.rollout
    params = SamplingParams(
        n=config.group_size,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=config.seed,
    )
    seeds = [derive_seed(config.seed, "rollout", step, prompt.id) for prompt in prompts]
    with engine.whole() as model, _sampler(model, processor, settings) as sampler:
        groups = sampler.sample(prompts, params, seeds)
    if settings.engine == "scripted":
        groups = [[_in_tokens_of(processor, rollout) for rollout in group] for group in groups]
    for prompt, group in zip(prompts, groups, strict=True):
        check_whole(group, prompt.id, config.group_size)
    return groups


@contextmanager
def _sampler(model: nn.Module, processor: ProcessorMixin, settings: RolloutConfig) -> Iterator[Sampler]:
    if settings.engine in LIVE:
        yield TransformersSampler.around(model, processor, batch_size=settings.batch_size or BATCH_SIZE)
        return
    if settings.engine == "scripted":
        yield sampling.open_configured(settings, "scripted")
        return
    with tempfile.TemporaryDirectory(prefix="mmupt-policy-") as scratch:
        write_policy(model, processor, Path(scratch))
        sampler = sampling.open_configured(settings, scratch)
        try:
            yield sampler
        finally:
            sampler.close()


def _in_tokens_of(processor: ProcessorMixin, rollout: Rollout) -> Rollout:
    """A scripted text has words for tokens: give it those of the model, and its end of turn."""
    tokens = processor.tokenizer(rollout.text, add_special_tokens=False)["input_ids"]
    end = [processor.tokenizer.eos_token_id] if rollout.finish_reason == "stop" else []
    return replace(rollout, token_ids=(*tokens, *end), logprobs=())


def write_policy(model: nn.Module, processor: ProcessorMixin, folder: Path) -> None:
    """The policy as an ordinary model folder; adapters are added into a copy of the weights."""
    whole = copy.deepcopy(model).merge_and_unload() if hasattr(model, "merge_and_unload") else model
    whole.save_pretrained(folder)
    processor.save_pretrained(folder)
