"""vLLM for real, on the CPU, with the embedded model: transformers' text, the same rollouts again, no image tokens."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from mmupt import sampling
from mmupt.errors import UserError
from mmupt.prompts import chat
from mmupt.sampling import SamplingParams
from mmupt.sampling.auto import choose
from mmupt.sampling.encode import encode
from mmupt.sampling.loading import load_model, vision_token_ids
from mmupt.sampling.transformers import TransformersSampler
from mmupt.types import Rollout
from tests.sampling_parts import image_lover, model, processor, prompts, text_logits

GREEDY = SamplingParams(n=1, temperature=0, max_tokens=40)
SAMPLED = SamplingParams(n=4, temperature=1.0, top_p=0.95, max_tokens=24, seed=9)
TOO_LONG = chat("long", "number " * 600, ())


@dataclass
class Said:
    """What one engine said, one request after the other."""

    greedy: list[list[Rollout]]
    sampled: list[list[Rollout]]
    again: list[list[Rollout]]
    mixed: list[list[Rollout]]
    streamed: list[tuple[int, list[Rollout]]]
    refused: str


@pytest.fixture(scope="module")
def said() -> Iterator[Said]:
    threads = torch.get_num_threads()
    with sampling.open("vllm", "tiny", max_model_len=512) as engine:
        with pytest.raises(UserError) as refused:
            engine.sample([TOO_LONG], GREEDY)
        yield Said(
            greedy=engine.sample(prompts(40), GREEDY),
            sampled=engine.sample(prompts(12), SAMPLED),
            again=engine.sample(prompts(12), SAMPLED),
            mixed=engine.sample([chat("plain", "What is 3 plus 4?", ()), prompts(1)[0]], SAMPLED),
            streamed=list(engine.stream(prompts(40), replace(GREEDY, logprobs=False))),
            refused=str(refused.value),
        )
    torch.set_num_threads(threads + 1)
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)


def test_a_stream_gives_the_same_groups_as_they_are_finished(said: Said):
    places = [place for place, _ in said.streamed]
    assert sorted(places) == list(range(40)) and places != sorted(places)
    streamed = dict(said.streamed)
    assert [streamed[place][0].text for place in range(40)] == [group[0].text for group in said.greedy]
    assert [streamed[place][0].prompt_tokens for place in range(40)] == [
        group[0].prompt_tokens for group in said.greedy
    ]
    assert {rollout.logprobs for group in streamed.values() for rollout in group} == {()}


def test_greedy_text_is_that_of_transformers(said: Said):
    theirs = TransformersSampler(model(), processor()).sample(prompts(40), GREEDY)
    same = [ours[0].text == other[0].text for ours, other in zip(said.greedy, theirs, strict=True)]
    assert same.count(True) == 40
    pairs = [(a[0].logprobs, b[0].logprobs) for a, b in zip(said.greedy, theirs, strict=True)]
    assert max(abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True)) < 1e-3


def test_whole_groups_come_back_in_order_with_seeds_and_prompt_lengths(said: Said):
    for prompt, group in zip(prompts(12), said.sampled, strict=True):
        assert [(rollout.problem_id, rollout.index) for rollout in group] == [(prompt.id, g) for g in range(4)]
        assert [b.seed - a.seed for a, b in pairwise(group)] == [1, 1, 1]
        assert {rollout.prompt_tokens for rollout in group} == {len(encode(processor(), prompt).input_ids)}
        assert all(len(rollout.logprobs) == len(rollout.token_ids) for rollout in group)
        assert len({rollout.token_ids for rollout in group}) > 1


def test_the_same_request_gives_the_same_bits_again(said: Said):
    assert said.sampled == said.again


def test_sampled_log_probs_are_those_of_the_model_at_temperature_one(said: Said):
    bare, prompt, rollout = model(), encode(processor(), prompts(1)[0]), said.sampled[0][0]
    ids = torch.tensor([prompt.input_ids + rollout.token_ids])
    images = {"pixel_values": prompt.pixel_values, "image_grid_thw": prompt.image_grid_thw}
    with torch.no_grad():
        kind = (ids == bare.config.image_token_id).int()
        logits = bare(input_ids=ids, mm_token_type_ids=kind, **images).logits[0].log_softmax(-1)
    at = torch.arange(len(prompt.input_ids) - 1, ids.shape[1] - 1)
    assert torch.allclose(torch.tensor(rollout.logprobs), logits[at, ids[0, at + 1]], atol=1e-3)


def test_a_prompt_without_a_picture_is_sampled_beside_one_with(said: Said):
    assert [len(group) for group in said.mixed] == [4, 4]
    assert said.mixed[0][0].prompt_tokens < said.mixed[1][0].prompt_tokens


def test_a_prompt_that_is_too_long_is_refused_in_one_line(said: Said):
    length = len(encode(processor(), TOO_LONG).input_ids)
    assert said.refused == f"long: {length} tokens, with max_model_len 512; set max_model_len higher"


def test_a_token_that_stands_for_a_picture_is_never_sampled(tmp_path: Path):
    folder = image_lover(tmp_path / "lover")
    wanting = load_model(str(folder), dtype="float32", device="cpu")
    likeliest = text_logits(wanting).argmax(-1)
    banned = vision_token_ids(wanting.config, processor().tokenizer)
    assert float(torch.isin(likeliest, torch.tensor(banned)).float().mean()) > 0.5
    with sampling.open("vllm", str(folder), max_model_len=512) as engine:
        groups = engine.sample(prompts(6), SAMPLED) + engine.sample(prompts(6), GREEDY)
    assert not {token for group in groups for rollout in group for token in rollout.token_ids} & set(banned)


def test_auto_takes_transformers_for_a_small_model_on_a_cpu_and_vllm_for_a_large_one():
    assert choose("tiny") == "transformers"
    assert choose("Qwen/Qwen2.5-VL-7B-Instruct") == "vllm"
    with sampling.open("auto", "tiny", batch_size=16, max_model_len=512) as chosen:
        assert isinstance(chosen, TransformersSampler)
