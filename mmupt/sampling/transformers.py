"""Rollouts from a model in this process, by transformers: the engine `transformers`.

For Qwen2.5-VL each picture is seen once, each prompt is read once, and the n completions of a group share its keys
and values in a decoding loop of our own; a model of another class goes through its `generate`, told with a warning.
On a GPU weights are bfloat16, on a CPU float32.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

import torch
from torch import nn
from transformers import PreTrainedModel, ProcessorMixin

from mmupt import console
from mmupt.errors import UserError
from mmupt.sampling import loading
from mmupt.sampling.completions import Completion, Rollouts
from mmupt.sampling.decoding import Decoder
from mmupt.sampling.encode import encode_all
from mmupt.sampling.generate import generate_group
from mmupt.sampling.models import resolve_model
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.prefill import prefill
from mmupt.sampling.protocol import SamplingParams, group_seeds
from mmupt.sampling.size import is_small
from mmupt.types import Prompt, Rollout

BATCH_SIZE = 512
SHARED_PROMPT_CLASSES = frozenset({"qwen2_5_vl"})
"""Model types that the shared decoding loop was checked against."""


class TransformersSampler:
    """Samples from a model that may be live: with its weights of the moment, and leaving its mode as it was."""

    def __init__(
        self,
        model: nn.Module,
        processor: ProcessorMixin,
        *,
        batch_size: int = BATCH_SIZE,
        gallery: Gallery | None = None,
    ) -> None:
        """The model: plain, wrapped by peft, or held by a training engine as `.module`. With a `gallery` the sampler
        shares the pictures that its owner decodes too."""
        if batch_size < 1:
            raise UserError(f"batch_size = {batch_size}", where="sampling", fix="use a positive number")
        self._model: PreTrainedModel = _unwrapped(model)
        self._processor, self._batch_size, self._gallery = processor, batch_size, gallery
        config, tokenizer = self._model.config, processor.tokenizer
        ends = self._model.generation_config.eos_token_id
        self._rollouts = Rollouts(tokenizer, loading.end_token_ids(ends, tokenizer))
        self._banned = loading.vision_token_ids(config, tokenizer)
        self._shares = config.model_type in SHARED_PROMPT_CLASSES and not config.text_config.use_sliding_window
        if not self._shares:
            console.warn(
                f"{config.model_type} is sampled by its own generate(): a group shares nothing, which is slower"
            )

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> list[list[Rollout]]:
        """See `Sampler.sample`. A prompt whose picture cannot be decoded is a `SampleError` that names it."""
        seeds = group_seeds(prompts, params, problem_seeds)
        # Greedy completions of one prompt are all the same: one is made.
        drawn = params if params.temperature > 0 else replace(params, n=1)
        at_once = max(1, self._batch_size // drawn.n) if self._shares else 1
        groups: list[list[Rollout]] = []
        with _evaluating(self._model), torch.no_grad():
            for start in range(0, len(prompts), at_once):
                end = start + at_once
                groups += self._sample_chunk(prompts[start:end], seeds[start:end], drawn, params.n // drawn.n)
        return groups

    def close(self) -> None:
        """Let go of the model."""
        del self._model

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sample_chunk(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], params: SamplingParams, copies: int
    ) -> list[list[Rollout]]:
        encoded = encode_all(self._processor, prompts, self._gallery)
        if self._shares:
            read = prefill(self._model, encoded)
            made: list[list[Completion]] = [[] for _ in prompts]
            # A group larger than the batch is decoded in parts, from the one reading of its prompt.
            for first in range(0, params.n, self._batch_size):
                last = min(params.n, first + self._batch_size)
                part = self._decoder().decode(read, [[seed + g for g in range(first, last)] for seed in seeds], params)
                for group, completions in zip(made, part, strict=True):
                    group += completions
        else:
            made = [generate_group(self._model, self._banned, encoded[0], seeds[0], params)]
        sizes = [len(one.input_ids) for one in encoded]
        rows = zip(prompts, sizes, seeds, made, strict=True)
        return [self._rollouts.group(prompt.id, size, seed, group * copies) for prompt, size, seed, group in rows]

    def _decoder(self) -> Decoder:
        inner = self._model.model.language_model
        device = self._model.lm_head.weight.device
        ends, banned = torch.tensor(self._rollouts.ends, device=device), torch.tensor(self._banned, device=device)
        return Decoder(inner, self._model.lm_head, ends, banned)


def connect(
    model: str,
    *,
    batch_size: int = BATCH_SIZE,
    dtype: str = "auto",
    device: str | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    trust_remote_code: bool = False,
) -> TransformersSampler:
    """Load a model and sample from it. `batch_size` is the number of rollouts decoded at once: it bounds the memory."""
    name = resolve_model(model)
    processor = loading.load_processor(
        name, min_pixels=min_pixels, max_pixels=max_pixels, trust_remote_code=trust_remote_code
    )
    place = device or loading.default_device()
    if place == "cpu" and is_small(name):
        # More threads wait for each other longer than they compute, and their number would change the rounding.
        torch.set_num_threads(1)
    weights = loading.load_model(name, dtype=dtype, device=place, trust_remote_code=trust_remote_code)
    return TransformersSampler(weights, processor, batch_size=batch_size)


def _unwrapped(model: nn.Module) -> nn.Module:
    """The transformers model inside an engine and a peft wrapper; adapters live in its layers and stay active."""
    inner = model
    while isinstance(getattr(inner, "module", None), nn.Module):
        inner = inner.module
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
