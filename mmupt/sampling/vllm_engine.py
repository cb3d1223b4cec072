"""The sampler around a running vLLM engine. Importing this imports vLLM; `vllm.connect` prepares the environment first.

A prompt is handed over as token ids with one image token for each picture, which vLLM repeats itself; that its prompt
is as long as the model's own processor makes it is checked for every prompt.
"""

import gc
from collections.abc import Mapping, Sequence
from typing import Self

import torch
import vllm
from transformers import ProcessorMixin
from vllm.distributed import cleanup_dist_env_and_memory

from mmupt.errors import MmuptError, UserError
from mmupt.sampling import loading
from mmupt.sampling.completions import Completion, Rollouts
from mmupt.sampling.encode import chat_text, encode, picture, token_ids
from mmupt.sampling.protocol import SamplingParams, group_seeds
from mmupt.types import Prompt, Rollout

NEVER = -100.0
"""Added to the logits of image tokens. vLLM accepts nothing lower, and no model's logits are that far apart."""


class VllmSampler:
    """Samples from a vLLM engine that it owns."""

    def __init__(self, model: str, processor: ProcessorMixin, settings: Mapping[str, object]) -> None:
        config = loading.load_config(model, trust_remote_code=bool(settings.get("trust_remote_code")))
        tokenizer = processor.tokenizer
        self._processor = processor
        self._rollouts = Rollouts(tokenizer, loading.end_token_ids(loading.model_ends(model), tokenizer))
        self._banned = loading.vision_token_ids(config, tokenizer)
        self._engine = _start(model, settings)

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> list[list[Rollout]]:
        """See `Sampler.sample`. A prompt whose picture cannot be decoded is a `SampleError` that names it."""
        seeds = group_seeds(prompts, params, problem_seeds)
        lengths = [self._length(prompt) for prompt in prompts]
        # What earlier calls left in the caches would change the batches, and with them the rounding.
        self._engine.reset_prefix_cache()
        requests = [self._request(prompt) for prompt in prompts]
        outputs = self._engine.generate(requests, [self._params(seed, params) for seed in seeds], use_tqdm=False)
        groups = []
        for prompt, output, length, seed in zip(prompts, outputs, lengths, seeds, strict=True):
            _same_length(prompt.id, len(output.prompt_token_ids), length)
            made = [_completion(one.token_ids, one.logprobs) for one in output.outputs]
            groups.append(self._rollouts.group(prompt.id, length, seed, made * (params.n // len(made))))
        return groups

    def close(self) -> None:
        """Stop the engine and give back its memory."""
        self._engine.llm_engine.engine_core.shutdown()
        del self._engine
        cleanup_dist_env_and_memory()
        gc.collect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _length(self, prompt: Prompt) -> int:
        """Tokens of the prompt, which must leave room for an answer."""
        length = len(encode(self._processor, prompt).input_ids)
        longest = self._engine.llm_engine.model_config.max_model_len
        if length >= longest:
            raise UserError(
                f"{length} tokens, with max_model_len {longest}", where=prompt.id, fix="set max_model_len higher"
            )
        return length

    def _request(self, prompt: Prompt) -> dict[str, object]:
        ids = list(token_ids(self._processor, chat_text(self._processor, prompt)))
        if not prompt.images:
            return {"prompt_token_ids": ids}
        pictures = [picture(self._processor, ref) for ref in prompt.images]
        return {"prompt_token_ids": ids, "multi_modal_data": {"image": pictures}}

    def _params(self, seed: int, params: SamplingParams) -> vllm.SamplingParams:
        """Completion g of a request is seeded with `seed` + g by vLLM. Greedy requests have one completion."""
        return vllm.SamplingParams(
            n=params.n if params.temperature > 0 else 1,
            temperature=params.temperature,
            top_p=params.top_p,
            max_tokens=params.max_tokens,
            seed=seed,
            logprobs=0,
            logit_bias=dict.fromkeys(self._banned, NEVER),
            stop_token_ids=list(self._rollouts.ends),
            detokenize=False,
        )


def _start(model: str, settings: Mapping[str, object]) -> vllm.LLM:
    threads = torch.set_num_threads
    try:
        return vllm.LLM(model=model, seed=0, logprobs_mode="raw_logprobs", **settings)
    except Exception as error:  # a broken model or too little memory: ValueError, RuntimeError, AssertionError, ...
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"vLLM cannot start ({reason})", where=f"model {model}", fix="see mmupt doctor") from error
    finally:
        # On a CPU vLLM puts a function that does nothing in its place, for the whole process.
        torch.set_num_threads = threads


def _completion(tokens: Sequence[int], logprobs: Sequence[Mapping[int, vllm.logprobs.Logprob]] | None) -> Completion:
    chosen = zip(tokens, logprobs or (), strict=True)
    return Completion(tuple(tokens), tuple(step[token].logprob for token, step in chosen))


def _same_length(prompt_id: str, engine: int, processor: int) -> None:
    if engine != processor:
        raise MmuptError(
            f"{prompt_id}: vLLM's prompt has {engine} tokens and the processor's {processor}; "
            "they resize pictures differently: set min_pixels and max_pixels"
        )
