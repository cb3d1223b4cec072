"""Rollouts from the policy as it is now: whole groups, all that vote, from the sampler that the recipe names.

transformers (and auto, here) samples from the live weights, vllm from weights that are written aside (`fresh_engine`).
A script needs no weights; what it says is put into the model's tokens, so that it can be trained on.
"""

from collections.abc import Sequence
from dataclasses import replace

from transformers import ProcessorMixin

from mmupt import sampling
from mmupt.config.train import TrainConfig
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.protocol import SamplingParams, derive_seed
from mmupt.sampling.transformers import BATCH_SIZE, TransformersSampler
from mmupt.training import fresh_engine
from mmupt.training.engine import Engine
from mmupt.training.groups import check_whole
from mmupt.types import Prompt, Rollout


def roll_out(
    engine: Engine,
    processor: ProcessorMixin,
    config: TrainConfig,
    step: int,
    prompts: Sequence[Prompt],
    gallery: Gallery | None = None,
) -> list[list[Rollout]]:
    """One group for each prompt. Seeds depend on the step and the problem alone, not on which rank samples it. A
    sampler in this process leaves the pictures that it decodes in the `gallery`."""
    settings = config.rollout
    params = SamplingParams(
        n=config.rollouts_each,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=config.seed,
    )
    seeds = [derive_seed(config.seed, "rollout", step, prompt.id) for prompt in prompts]
    groups = _sampled(engine, processor, config, prompts, params, seeds, gallery)
    for prompt, group in zip(prompts, groups, strict=True):
        check_whole(group, prompt.id, config.rollouts_each)
    return groups


def _sampled(
    engine: Engine,
    processor: ProcessorMixin,
    config: TrainConfig,
    prompts: Sequence[Prompt],
    params: SamplingParams,
    seeds: Sequence[int],
    gallery: Gallery | None,
) -> list[list[Rollout]]:
    settings = config.rollout
    if settings.engine == "scripted":
        said = sampling.open_configured(settings, "scripted").sample(prompts, params, seeds)
        return [[_in_tokens_of(processor, rollout) for rollout in group] for group in said]
    with engine.whole() as model:
        if settings.engine in ("auto", "transformers"):
            size = settings.batch_size or BATCH_SIZE
            sampler = TransformersSampler.around(model, processor, batch_size=size, gallery=gallery)
            return sampler.sample(prompts, params, seeds)
        return fresh_engine.sample(model, processor, settings, prompts, params, seeds)


def _in_tokens_of(processor: ProcessorMixin, rollout: Rollout) -> Rollout:
    """A scripted text has words for tokens: give it those of the model, and its end of turn."""
    tokens = processor.tokenizer(rollout.text, add_special_tokens=False)["input_ids"]
    end = [processor.tokenizer.eos_token_id] if rollout.finish_reason == "stop" else []
    return replace(rollout, token_ids=(*tokens, *end), logprobs=())
