"""Where a run's rollouts come from: the live weights, a vLLM beside each rank, a vLLM server, or a script.

All but the script sample from the policy as it is at that moment. `auto` is what suits the machine and the model, as in
`mmupt.sampling.auto`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from transformers import ProcessorMixin

from mmupt import sampling
from mmupt.config.sampling import RolloutConfig
from mmupt.config.train import TrainConfig
from mmupt.sampling.auto import choose
from mmupt.sampling.encode import prompt_tokens
from mmupt.sampling.models import resolve_model
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.protocol import SamplingParams
from mmupt.sampling.transformers import BATCH_SIZE, TransformersSampler
from mmupt.training.colocated import ColocatedVllm
from mmupt.training.distributed import Ranks
from mmupt.training.engine import Engine
from mmupt.training.served import ServedVllm
from mmupt.types import Prompt, Rollout


class Source(Protocol):
    """All ranks call it together."""

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int], gallery: Gallery | None = None
    ) -> list[list[Rollout]]:
        """Whole groups from the current weights. A sampler in this process leaves the pictures that it decodes in the
        `gallery`."""

    def close(self) -> None:
        """Give back memory and processes."""


def engine_name(config: TrainConfig) -> str:
    """The engine that samples, by its own name."""
    named = config.rollout.engine
    return choose(config.model) if named == "auto" else named


def open_source(
    config: TrainConfig, engine: Engine, processor: ProcessorMixin, ranks: Ranks, device: torch.device
) -> Source:
    """The source that the settings name. A vLLM beside the trainer starts when it is first asked."""
    name, settings = engine_name(config), config.rollout
    if name == "scripted":
        return Script(settings, processor)
    if name == "transformers":
        return LiveWeights(engine, processor, settings.batch_size or BATCH_SIZE)
    if settings.base_url is not None:
        return ServedVllm(engine, processor, ranks, settings, resolve_model(config.model), device)
    return ColocatedVllm(engine, ranks, settings, config.model, device)


@dataclass(frozen=True)
class LiveWeights:
    """transformers, on the very weights that are trained."""

    engine: Engine
    processor: ProcessorMixin
    batch_size: int

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int], gallery: Gallery | None = None
    ) -> list[list[Rollout]]:
        with self.engine.whole() as model:
            sampler = TransformersSampler(model, self.processor, batch_size=self.batch_size, gallery=gallery)
            return sampler.sample(prompts, params, seeds)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Script:
    """A script needs no weights; what it says is put into the model's tokens, so that it can be trained on."""

    settings: RolloutConfig
    processor: ProcessorMixin

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int], gallery: Gallery | None = None
    ) -> list[list[Rollout]]:
        said = sampling.open_configured(self.settings, "scripted").sample(prompts, params, seeds)
        lengths = [prompt_tokens(self.processor, prompt) for prompt in prompts]
        return [[self._in_tokens(one, length) for one in group] for group, length in zip(said, lengths, strict=True)]

    def close(self) -> None:
        """Nothing is held."""

    def _in_tokens(self, rollout: Rollout, prompt: int) -> Rollout:
        """A scripted text has words for tokens: give it those of the model, and its end of turn."""
        tokenizer = self.processor.tokenizer
        tokens = tokenizer(rollout.text, add_special_tokens=False)["input_ids"]
        end = [tokenizer.eos_token_id] if rollout.finish_reason == "stop" else []
        return replace(rollout, token_ids=(*tokens, *end), logprobs=(), prompt_tokens=prompt)
