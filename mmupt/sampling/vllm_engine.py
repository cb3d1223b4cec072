"""The sampler around a running vLLM engine. Importing this imports vLLM; `vllm.connect` prepares the environment first.

A prompt is handed over as token ids with one image token for each picture, which vLLM repeats itself; that its prompt
is the one that the model's own processor would make is checked for every prompt.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self

import torch
import vllm
from transformers import ProcessorMixin
from vllm.distributed import cleanup_dist_env_and_memory

from mmupt.errors import UserError
from mmupt.sampling import loading
from mmupt.sampling.completions import Completion, Rollouts
from mmupt.sampling.encode import cells, chat_text, pictures, token_ids
from mmupt.sampling.protocol import SamplingParams, group_seeds
from mmupt.sampling.same_prompt import check_same
from mmupt.types import Prompt, Rollout

AHEAD = 2
"""Completions that a stream hands over, in batches of the engine: while one is under way the next one waits."""
NEVER = -100.0
"""Added to the logits of image tokens. vLLM accepts nothing lower, and no model's logits are that far apart."""
MEMORY = ("weights", "kv_cache")
"""What sleeps, in vLLM's words, in the order of waking: weights can be taken before the cache needs its room."""


@dataclass(frozen=True)
class _Request:
    """One prompt as vLLM takes it."""

    id: str
    tokens: tuple[int, ...]
    """With one image token for each cell of a picture."""
    inputs: dict[str, object]


class VllmSampler:
    """Samples from a vLLM engine that it owns."""

    def __init__(self, model: str, processor: ProcessorMixin, settings: Mapping[str, object]) -> None:
        config = loading.load_config(model, trust_remote_code=bool(settings.get("trust_remote_code")))
        tokenizer = processor.tokenizer
        self._processor = processor
        self._rollouts = Rollouts(tokenizer, loading.end_token_ids(loading.model_ends(model), tokenizer))
        self._picture = tokenizer.convert_tokens_to_ids(processor.image_token)
        self._banned = loading.vision_token_ids(config, tokenizer)
        self._engine = _start(model, settings)
        self._can_sleep = bool(settings.get("enable_sleep_mode"))
        self._asleep: set[str] = set()

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> list[list[Rollout]]:
        """See `Sampler.sample`. A prompt whose picture cannot be decoded is a `SampleError` that names it."""
        seeds = group_seeds(prompts, params, problem_seeds)
        self._wake(MEMORY)
        # What earlier calls left in the caches would change the batches, and with them the rounding.
        self._engine.reset_prefix_cache()
        asked = [self._request(prompt) for prompt in prompts]
        requests, settings = [each.inputs for each in asked], [self._params(seed, params) for seed in seeds]
        outputs = self._engine.generate(requests, settings, use_tqdm=False)
        rows = zip(asked, outputs, seeds, strict=True)
        return [self._group(request, output, seed, params) for request, output, seed in rows]

    def stream(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> Iterator[tuple[int, list[Rollout]]]:
        """See `Streaming.stream`. Prompts are encoded as the engine takes them up: few pictures wait in memory."""
        seeds = group_seeds(prompts, params, problem_seeds)
        core = self._engine.llm_engine
        ahead = max(2, AHEAD * core.vllm_config.scheduler_config.max_num_seqs // params.n)
        waiting, under_way = iter(range(len(prompts))), dict[str, tuple[int, _Request]]()
        self._engine.reset_prefix_cache()
        while True:
            if next_ones := list(islice(waiting, ahead - len(under_way))):
                requests = [self._request(prompts[position]) for position in next_ones]
                settings = [self._params(seeds[position], params) for position in next_ones]
                keys = self._engine.enqueue([request.inputs for request in requests], settings, use_tqdm=False)
                for key, position, request in zip(keys, next_ones, requests, strict=True):
                    # The engine adds a random part to the number by which its outputs are known.
                    under_way[key.partition("-")[0]] = position, replace(request, inputs={})
            if not under_way:
                return
            for output in core.step():
                if output.finished:
                    position, request = under_way.pop(output.request_id)
                    yield position, self._group(request, output, seeds[position], params)

    def take_weights(self, folder: str) -> None:
        """Sample from the weights in this folder from now on; nothing that was computed from others is kept."""
        self._wake(MEMORY[:1])
        self._engine.collective_rpc("take_weights", args=(folder,))
        self._engine.reset_mm_cache()
        # The worker alone has dropped its encoded pictures; the scheduler still counts on them.
        self._engine.llm_engine.reset_encoder_cache()
        assert self._engine.reset_prefix_cache(), "vLLM holds on to what it computed from other weights"

    def sleep(self) -> None:
        """Give back the memory of weights and cache, where vLLM can; `take_weights` comes before the next sampling."""
        if self._can_sleep:
            self._engine.sleep(level=2)
            self._asleep = set(MEMORY)

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

    def _wake(self, parts: Sequence[str]) -> None:
        """Take the memory of these parts again, of those that sleep."""
        for part in parts:
            if part in self._asleep:
                self._engine.wake_up([part])
                self._asleep.remove(part)

    def _request(self, prompt: Prompt) -> "_Request":
        """The prompt as vLLM takes it, which must leave room for an answer."""
        ids = list(token_ids(self._processor, chat_text(self._processor, prompt)))
        shown = pictures(self._processor, prompt)
        repeats = iter([cells(self._processor, image) for image in shown])
        tokens = tuple(one for token in ids for one in [token] * (next(repeats) if token == self._picture else 1))
        longest = self._engine.llm_engine.model_config.max_model_len
        if len(tokens) >= longest:
            raise UserError(
                f"{len(tokens)} tokens, with max_model_len {longest}", where=prompt.id, fix="set max_model_len higher"
            )
        inputs: dict[str, object] = {"prompt_token_ids": ids}
        return _Request(prompt.id, tokens, inputs | ({"multi_modal_data": {"image": shown}} if shown else {}))

    def _group(
        self, request: "_Request", output: vllm.RequestOutput, seed: int, params: SamplingParams
    ) -> list[Rollout]:
        check_same(request.id, output.prompt_token_ids or (), request.tokens)
        made = [_completion(one.token_ids, one.logprobs) for one in output.outputs]
        return self._rollouts.group(request.id, len(request.tokens), seed, made * (params.n // len(made)))

    def _params(self, seed: int, params: SamplingParams) -> vllm.SamplingParams:
        """Completion g of a request is seeded with `seed` + g by vLLM. Greedy requests have one completion."""
        return vllm.SamplingParams(
            n=params.n if params.temperature > 0 else 1,
            temperature=params.temperature,
            top_p=params.top_p,
            max_tokens=params.max_tokens,
            seed=seed,
            logprobs=0 if params.logprobs else None,
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
    if logprobs is None:
        return Completion(tuple(tokens), ())
    chosen = zip(tokens, logprobs, strict=True)
    return Completion(tuple(tokens), tuple(step[token].logprob for token, step in chosen))
