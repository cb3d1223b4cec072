"""Rollouts from a running server that speaks OpenAI's protocol, vLLM's for one: the engine `openai`.

The model is called by the name under which the server serves it. Each prompt is one request for its whole group, with
its own seed; a bounded number is under way at once, and what fails for a moment is asked again, with the same seed.
Whether the same seed gives the same text is up to the server: vLLM's does, but for rounding.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Self

from mmupt.errors import MmuptError, UserError
from mmupt.sampling import background, chat
from mmupt.sampling.models import resolve_model
from mmupt.sampling.protocol import SamplingParams, group_seeds
from mmupt.sampling.server import Address, RefusedError, Reply, Server
from mmupt.types import JsonValue, Prompt, Rollout

IN_FLIGHT = 256
"""Completions under way at once, where nothing else is said: as many as vLLM runs together."""
Check = Callable[[Prompt, Sequence[JsonValue]], None]
FIRST_TRIES = 2
"""Retries while nothing is known of the server: an address may just be wrong."""


class OpenAISampler:
    """Asks a server that was seen to answer."""

    def __init__(
        self, address: Address, dialect: chat.Dialect, limits: chat.Limits, in_flight: int, check: Check | None = None
    ) -> None:
        self._address, self._dialect, self._limits, self._in_flight = address, dialect, limits, in_flight
        self._check = check

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> list[list[Rollout]]:
        """See `Sampler.sample`. A prompt whose picture cannot be decoded is a `SampleError` that names it."""
        found = dict(self.stream(prompts, params, problem_seeds))
        return [found[position] for position in range(len(prompts))]

    def stream(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> Iterator[tuple[int, list[Rollout]]]:
        """The groups as they come, each with the position of its prompt."""
        seeds = group_seeds(prompts, params, problem_seeds)

        async def ask_all(emit: background.Emit[tuple[int, list[Rollout]]]) -> None:
            requests = max(1, self._in_flight // params.n)
            free = asyncio.Semaphore(requests)
            async with Server(self._address, requests) as server, asyncio.TaskGroup() as tasks:

                async def ask(position: int) -> None:
                    try:
                        emit((position, await self._group(server, prompts[position], params, seeds[position])))
                    finally:
                        free.release()

                for position in range(len(prompts)):
                    await free.acquire()
                    tasks.create_task(ask(position))

        return background.stream(ask_all)

    def close(self) -> None:
        """Nothing is held between requests."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _group(self, server: Server, prompt: Prompt, params: SamplingParams, seed: int) -> list[Rollout]:
        body = chat.request(prompt, params, seed, self._dialect, self._limits)
        try:
            answer = await server.post("chat/completions", body)
        except RefusedError as error:
            if "logprob" in str(error) and "logprobs" in body:
                self._dialect = replace(self._dialect, logprobs=False)
                return await self._group(server, prompt, params, seed)
            fix = "give the server a longer context, or rollout settings that it takes"
            raise UserError(f"the server refuses the request ({error})", where=prompt.id, fix=fix) from error
        if self._check is not None:
            self._check(prompt, chat.prompt_token_ids(answer) or ())
        return chat.group(prompt.id, answer, seed, params.n)


def connect(
    model: str,
    *,
    base_url: str = "http://localhost:8000/v1",
    api_key_env: str = "OPENAI_API_KEY",
    timeout: float = 1800.0,
    retries: int = 6,
    batch_size: int = IN_FLIGHT,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    banned: tuple[int, ...] = (),
    ends: tuple[int, ...] = (),
    check: Check | None = None,
) -> OpenAISampler:
    """Find the model on the server. `batch_size` is the number of completions in flight at once; `check` is given each
    prompt with its tokens as the server's model saw them, and may raise."""
    if batch_size < 1:
        raise UserError(f"batch_size = {batch_size}", where="sampling", fix="use a positive number")
    address = Address(base_url, api_key_env, timeout, retries)
    served = _served(address)
    dialect = replace(_dialect(model, served, base_url), banned=banned, ends=ends)
    return OpenAISampler(address, dialect, chat.Limits(min_pixels, max_pixels), batch_size, check)


def served_model(address: Address, model: str) -> str:
    """The name under which a server with one model serves this one: under its own, or whatever it is called there."""
    names = [str(row.get("id")) for row in _served(address)]
    known = [name for name in (model, resolve_model(model)) if name in names]
    return (known or names or [model])[0]


def _served(address: Address) -> list[dict[str, JsonValue]]:
    """What the server says of its models."""
    first = replace(address, retries=min(address.retries, FIRST_TRIES))

    async def ask(emit: background.Emit[Reply]) -> None:
        async with Server(first) as server:
            emit(await server.get("models"))

    try:
        (answer,) = background.stream(ask)
    except RefusedError as error:
        raise MmuptError(f"{address.base_url}: the server does not tell its models ({error})") from error
    data = answer.get("data")
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _dialect(model: str, served: Sequence[dict[str, JsonValue]], base_url: str) -> chat.Dialect:
    names = [str(row.get("id")) for row in served]
    wanted = (model, resolve_model(model)) if model == "tiny" else (model,)
    name = next((each for each in wanted if each in names), None)
    if name is None and names:
        what = f"the server has {', '.join(names[:5])} and no model {model!r}"
        raise UserError(what, where=base_url, fix=f"give --model {names[0]}")
    return chat.Dialect(name or model, vllm=any(row.get("owned_by") == "vllm" for row in served))
