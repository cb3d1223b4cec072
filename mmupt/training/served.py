"""Rollouts from a vLLM server that runs by itself, on this machine or another: all ranks ask it, one request a group.

Before each sampling the first rank gives it the current weights, through a folder that both see and by vLLM's own
commands, which a server has that was started in its development mode and with our worker extension.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import ProcessorMixin

from mmupt import sampling
from mmupt.config.sampling import RolloutConfig
from mmupt.errors import UserError
from mmupt.sampling import background, loading
from mmupt.sampling.encode import encode
from mmupt.sampling.openai import served_model
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.protocol import SamplingParams
from mmupt.sampling.same_prompt import check_same
from mmupt.sampling.server import Address, RefusedError, Server
from mmupt.training.distributed import Ranks
from mmupt.training.engine import Engine
from mmupt.training.handover import dtype_of, handed_over
from mmupt.types import JsonValue, Prompt, Rollout

CACHES = ("reset_prefix_cache", "reset_mm_cache", "reset_encoder_cache")
"""Commands that empty what was computed from the weights before."""
AS_TOLD = "start it as docs/trainer.md says: VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --worker-extension-cls " + (
    "mmupt.sampling.vllm_worker.TakesWeights"
)


class ServedVllm:
    """One server for all ranks, which call `sample` together."""

    def __init__(
        self,
        engine: Engine,
        processor: ProcessorMixin,
        ranks: Ranks,
        settings: RolloutConfig,
        model: str,
        device: torch.device,
    ) -> None:
        self._engine, self._ranks, self._root, self._processor = engine, ranks, settings.weights_folder, processor
        self._dtype = loading.DTYPES[dtype_of(settings, device)]
        self._address = _address(settings)
        tokenizer = processor.tokenizer
        self._sampler = sampling.open(
            "openai",
            served_model(self._address, model),
            base_url=settings.base_url,
            api_key_env=settings.api_key_env,
            timeout=settings.timeout,
            retries=settings.retries,
            batch_size=settings.batch_size,
            min_pixels=settings.min_pixels,
            max_pixels=settings.max_pixels,
            banned=loading.vision_token_ids(loading.load_config(model), tokenizer),
            ends=loading.end_token_ids(loading.model_ends(model), tokenizer),
            check=self._check,
        )

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int], gallery: Gallery | None = None
    ) -> list[list[Rollout]]:
        """See `Source.sample`; the pictures are sent, as every engine sees them."""
        with handed_over(self._engine, self._ranks, self._dtype, once=True, root=self._root) as folder:
            if self._ranks.first:
                self._give(folder)
        return self._sampler.sample(prompts, params, seeds)

    def close(self) -> None:
        """The server runs on, with the last weights."""

    def _give(self, folder: Path) -> None:
        async def tell(emit: background.Emit[None]) -> None:
            body: dict[str, JsonValue] = {"method": "take_weights", "args": [str(folder)]}
            async with Server(self._address) as server:
                await server.command("collective_rpc", body)
                for cache in CACHES:
                    await server.command(cache)

        try:
            list(background.stream(tell))
        except RefusedError as error:
            fix = "give a rollout.weights_folder that it sees" if "no weights in" in str(error) else AS_TOLD
            raise UserError(
                f"the server cannot take the weights ({error})", where=self._address.base_url, fix=fix
            ) from error

    def _check(self, prompt: Prompt, tokens: Sequence[JsonValue]) -> None:
        check_same(prompt.id, tokens, encode(self._processor, prompt).input_ids)


def _address(settings: RolloutConfig) -> Address:
    plain = Address(str(settings.base_url))
    retries = plain.retries if settings.retries is None else settings.retries
    return Address(plain.base_url, settings.api_key_env or plain.key_name, settings.timeout or plain.timeout, retries)
