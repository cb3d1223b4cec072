"""A vLLM that stays up while it is given other weights: after each sync it is what a fresh engine on them would be."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import nn

from mmupt.config.train import LoraConfig
from mmupt.prompts import chat
from mmupt.sampling import SamplingParams, vllm
from mmupt.sampling.encode import encode_all
from mmupt.sampling.vllm_engine import VllmSampler
from mmupt.training import shared_prefix
from mmupt.training.policy import with_lora
from mmupt.training.scores import EncodedGroup
from mmupt.training.whole_weights import whole_weights, write_weights
from mmupt.types import Rollout
from tests.sampling_parts import model, processor, prompts

SAMPLED = SamplingParams(n=3, temperature=0.9, top_p=0.8, max_tokens=16, seed=4)
ASKED = (*prompts(4), chat("plain", "What is 3 plus 4? " * 8, ()))


def moved(policy: nn.Module, seed: int) -> nn.Module:
    """The same policy after updates that nobody can overlook."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn_like(parameter))
    return policy


def give(engine: VllmSampler, policy: nn.Module, folder: Path) -> None:
    folder.mkdir(parents=True)
    write_weights(whole_weights(policy), folder, torch.float32)
    engine.take_weights(str(folder))


def save(policy: nn.Module, folder: Path) -> None:
    whole = copy.deepcopy(policy).merge_and_unload() if isinstance(policy, PeftModel) else policy
    whole.save_pretrained(folder)
    processor().save_pretrained(folder)


@dataclass
class Said:
    """What one engine said under one policy after the other."""

    policies: list[nn.Module]
    groups: list[list[list[Rollout]]]
    first: list[list[Rollout]]
    """Before any sync."""
    stale: float
    """Log-prob of the likeliest next token after other weights were put in and the caches left as they were."""
    clean: float


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Said]:
    base = model()
    adapted = with_lora(copy.deepcopy(base), LoraConfig(rank=4), vision=True, seed=0)
    policies = [moved(copy.deepcopy(base), 1), moved(adapted, 2), base]
    scratch = tmp_path_factory.mktemp("weights")
    engine = vllm.connect("tiny", max_model_len=1024, beside_trainer=True)
    first = engine.sample(ASKED, SAMPLED)
    groups = []
    for number, policy in enumerate(policies):
        give(engine, policy, scratch / str(number))
        groups.append(engine.sample(ASKED, SAMPLED))
    likeliest(engine)
    engine._engine.collective_rpc("take_weights", args=(str(scratch / "0"),))
    stale = likeliest(engine)
    engine.take_weights(str(scratch / "0"))
    yield Said(policies, groups, first, stale, likeliest(engine))
    engine.close()


def likeliest(engine: VllmSampler) -> float:
    """Log-prob of the likeliest token after a long text; no cache is emptied before."""
    told = engine._params(0, SamplingParams(n=1, temperature=0, max_tokens=1))
    (output,) = engine._engine.generate([{"prompt_token_ids": list(range(30, 330))}], [told], use_tqdm=False)
    (token,), (logprobs,) = output.outputs[0].token_ids, output.outputs[0].logprobs
    return float(logprobs[token].logprob)


@pytest.mark.parametrize("number", [0, 1], ids=["all weights", "adapters"])
def test_after_a_sync_the_rollouts_are_to_the_bit_those_of_a_fresh_engine(said: Said, number: int, tmp_path: Path):
    save(said.policies[number], tmp_path)
    fresh = vllm.connect(str(tmp_path), max_model_len=1024)
    assert fresh.sample(ASKED, SAMPLED) == said.groups[number]
    fresh.close()
    assert said.groups[number] != said.first


def test_after_several_syncs_the_first_weights_give_the_first_rollouts(said: Said):
    assert said.groups[2] == said.first


@pytest.mark.parametrize("number", [0, 1, 2], ids=["all weights", "adapters", "the base"])
def test_after_a_sync_log_probs_are_those_of_the_trainers_model(said: Said, number: int):
    encoded = encode_all(processor(), ASKED)
    for one, group in zip(encoded, said.groups[number], strict=True):
        packed = EncodedGroup(torch.tensor(one.input_ids), one.pictures, tuple(each.token_ids for each in group))
        with torch.no_grad():
            ours = shared_prefix.score(said.policies[number], [packed], 1.0).logps_N
        theirs = torch.tensor([value for each in group for value in each.logprobs])
        # Raw log-probs: at temperature 1, and nothing of them depends on top_p.
        assert torch.allclose(ours, theirs, atol=1e-3)


def test_a_prefix_computed_from_old_weights_would_be_noticed(said: Said):
    assert abs(said.stale - said.clean) > 1e-2
