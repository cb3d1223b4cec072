"""Prompts as requests to /chat/completions, and its answers as rollouts.

A picture goes as a PNG in a data URL: decoded and, where limits are given, resized here as for every other engine, so
that the server finds nothing left to resize. Of vLLM (`Dialect.vllm`) more is asked than the protocol knows: token
ids, and none of the sampling settings that it would take from the model's own files.
"""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mmupt.errors import MmuptError, SampleError
from mmupt.problems import decode
from mmupt.sampling.protocol import SamplingParams
from mmupt.types import FinishReason, ImageRef, JsonValue, Prompt, Rollout

UNNAMED = -1
"""Token id of a token that the server counted and did not name."""
FINISHED = ("stop", "tool_calls", "function_call")
VLLM_OWN: dict[str, JsonValue] = {"return_token_ids": True, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}


@dataclass(frozen=True)
class Limits:
    """Pixels that pictures are resized into; None leaves them to the server."""

    min_pixels: int | None = None
    max_pixels: int | None = None


@dataclass(frozen=True)
class Dialect:
    """How a server is spoken to."""

    model: str
    """The name by which it serves the model."""
    vllm: bool = False
    logprobs: bool = True
    """Whether it offers them."""
    banned: tuple[int, ...] = ()
    """Tokens that may not be sampled, where the caller knows the model's tokens."""
    ends: tuple[int, ...] = ()
    """Tokens that end a turn beside those that the server knows; of vLLM's alone."""


def request(
    prompt: Prompt, params: SamplingParams, seed: int, dialect: Dialect, limits: Limits
) -> dict[str, JsonValue]:
    """The body of one request for a whole group; a greedy one asks once, for completions that would all be the same.

    vLLM seeds completion g with `seed` + g. The pictures are decoded: a broken one is a `SampleError` that names the
    prompt.
    """
    body: dict[str, JsonValue] = {
        "model": dialect.model,
        "messages": messages(prompt, limits),
        "n": params.n if params.temperature > 0 else 1,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": params.max_tokens,
        "seed": seed,
    }
    if dialect.vllm:
        body |= VLLM_OWN
        if dialect.ends:
            body["stop_token_ids"] = list(dialect.ends)
    if dialect.logprobs and params.logprobs:
        body["logprobs"] = True
    if dialect.banned:
        body["logit_bias"] = {str(token): -100 for token in dialect.banned}
    return body


def messages(prompt: Prompt, limits: Limits) -> list[JsonValue]:
    """The prompt's messages with its pictures in their places."""
    urls = iter([data_url(prompt.id, ref, limits) for ref in prompt.images])
    return [{**message, "content": _content(message["content"], urls)} for message in prompt.messages]


def data_url(prompt_id: str, ref: ImageRef, limits: Limits) -> str:
    """The picture as every engine sees it, without loss."""
    try:
        image = decode(ref, min_pixels=limits.min_pixels, max_pixels=limits.max_pixels)
    except SampleError as error:
        raise SampleError(f"{prompt_id}: {error}") from error
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def group(prompt_id: str, answer: Mapping[str, JsonValue], seed: int, n: int) -> list[Rollout]:
    """The rollouts of an answer, in order; an answer to a greedy request stands for all n."""
    choices = sorted(_rows(answer.get("choices")), key=lambda choice: int(str(choice.get("index", 0))))
    if not choices or n % len(choices):
        raise MmuptError(f"{prompt_id}: the server gave {len(choices)} completions of {n}")
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    prompt_tokens = _count(counts.get("prompt_tokens"))
    alone = _count(counts.get("completion_tokens")) if len(choices) == 1 else 0
    made = [_completion(choice, alone) for choice in choices] * (n // len(choices))
    return [
        Rollout(prompt_id, index, text, tokens, logprobs, finish, seed + index, prompt_tokens)
        for index, (text, tokens, logprobs, finish) in enumerate(made)
    ]


def prompt_token_ids(answer: Mapping[str, JsonValue]) -> Sequence[JsonValue] | None:
    """The prompt as the server's model saw it, where it says so."""
    ids = answer.get("prompt_token_ids")
    return ids if isinstance(ids, list) else None


def _completion(
    choice: Mapping[str, JsonValue], counted: int
) -> tuple[str, tuple[int, ...], tuple[float, ...], FinishReason]:
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    found = choice.get("logprobs")
    steps = _rows(found.get("content")) if isinstance(found, dict) else []
    logprobs = tuple(float(str(step["logprob"])) for step in steps)
    ids = choice.get("token_ids")
    tokens = tuple(_count(token) for token in ids) if isinstance(ids, list) else (UNNAMED,) * (len(steps) or counted)
    return str(text or ""), tokens, logprobs, "stop" if choice.get("finish_reason") in FINISHED else "length"


def _content(content: JsonValue, urls: Iterator[str]) -> JsonValue:
    if not isinstance(content, list):
        return content
    return [_part(part, urls) for part in content]


def _part(part: JsonValue, urls: Iterator[str]) -> JsonValue:
    is_image = isinstance(part, dict) and part.get("type") == "image"
    return {"type": "image_url", "image_url": {"url": next(urls)}} if is_image else part


def _rows(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0
