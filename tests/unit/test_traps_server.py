"""Traps of sampling from a server (docs/traps.md): it may draw a token that stands for a picture, and may read another
prompt than the one that is trained."""

from typing import Any

import pytest
import torch

from mmupt.config.sampling import RolloutConfig
from mmupt.config.train import UpdateConfig
from mmupt.errors import MmuptError
from mmupt.problems.tiny import model_dir
from mmupt.sampling import SamplingParams
from mmupt.sampling.encode import encode
from mmupt.sampling.loading import vision_token_ids
from mmupt.sampling.transformers import TransformersSampler
from mmupt.training.distributed import Ranks
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.served import ServedVllm
from tests.chat_server import ChatServer, serving
from tests.sampling_parts import model, processor, prompts

TWO = SamplingParams(n=2, temperature=1.0, max_tokens=6, seed=1)


class Telling(ChatServer):
    """A server that tells its prompt's tokens, as vLLM does: the trainer's, or with one token too many."""

    too_many = 0

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        told = super().answer(body)
        return told | {"prompt_token_ids": [*encode(processor(), prompts(1)[0]).input_ids, *[7] * self.too_many]}


def asked(server: Telling) -> list[str]:
    """What the trainer's source of rollouts gets from this server for one prompt."""
    policy = model()
    with serving(server) as url:
        settings = RolloutConfig(engine="vllm", base_url=url)
        place = (settings, str(model_dir()), torch.device("cpu"))
        source = ServedVllm(PlainEngine(policy, UpdateConfig()), processor(), Ranks(0, 1), *place)
        (group,) = source._sampler.sample(prompts(1), TWO)
    return [rollout.text for rollout in group]


def test_a_server_is_told_which_tokens_stand_for_pictures() -> None:
    server = Telling(TransformersSampler(model(), processor()))
    assert len(asked(server)) == 2
    banned = vision_token_ids(model().config, processor().tokenizer)
    assert len(banned) == 5
    assert server.bodies[-1]["logit_bias"] == {str(token): -100 for token in banned}


def test_a_servers_prompt_that_is_not_the_trainers_stops_the_run_with_both_lengths() -> None:
    server = Telling(TransformersSampler(model(), processor()))
    server.too_many = 15
    length = len(encode(processor(), prompts(1)[0]).input_ids)
    with pytest.raises(MmuptError, match=f"vLLM's prompt has {length + 15} tokens and the processor's {length}"):
        asked(server)
