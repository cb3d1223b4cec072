"""The transformers engine: right against transformers itself, whole groups, repeatable, a guest of a live model."""

import hashlib
import os
import subprocess
import sys

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from mmupt import sampling
from mmupt.errors import UserError
from mmupt.problems import decode
from mmupt.prompts import chat
from mmupt.sampling import SamplingParams
from mmupt.sampling.encode import chat_text, encode
from mmupt.sampling.loading import vision_token_ids
from mmupt.sampling.transformers import TransformersSampler
from mmupt.types import Rollout
from tests.sampling_parts import favour, model, processor, prompts

SHORT = SamplingParams(n=6, temperature=1.0, top_p=0.95, max_tokens=16, seed=5)


@pytest.fixture(scope="module")
def sampler() -> TransformersSampler:
    return TransformersSampler(model(), processor())


def flat(groups: list[list[Rollout]]) -> list[Rollout]:
    return [rollout for group in groups for rollout in group]


def test_greedy_tokens_are_those_of_transformers_generate(sampler: TransformersSampler):
    ours = [group[0] for group in sampler.sample(prompts(40), SamplingParams(n=1, temperature=0, max_tokens=40))]
    texts = [chat_text(processor(), prompt) for prompt in prompts(40)]
    images = [decode(prompt.images[0]) for prompt in prompts(40)]
    inputs = processor()(text=texts, images=images, padding=True, padding_side="left", return_tensors="pt")
    banned = list(vision_token_ids(model().config, processor().tokenizer))
    made = model().generate(**inputs, do_sample=False, max_new_tokens=40, suppress_tokens=banned)
    theirs = made[:, inputs["input_ids"].shape[1] :].tolist()
    same = [row[: len(one.token_ids)] == list(one.token_ids) for row, one in zip(theirs, ours, strict=True)]
    assert same.count(True) == 40


def test_log_probs_are_those_of_a_plain_forward_pass(sampler: TransformersSampler):
    bare = model()
    for prompt, group in zip(prompts(4), sampler.sample(prompts(4), SHORT), strict=True):
        encoded = encode(processor(), prompt)
        for rollout in group:
            ids = torch.tensor([encoded.input_ids + rollout.token_ids])
            images = {"pixel_values": encoded.pixel_values, "image_grid_thw": encoded.image_grid_thw}
            kind = (ids == bare.config.image_token_id).int()
            with torch.no_grad():
                logits = bare(input_ids=ids, mm_token_type_ids=kind, **images).logits[0].log_softmax(-1)
            at = torch.arange(len(encoded.input_ids) - 1, ids.shape[1] - 1)
            expected = logits[at, ids[0, at + 1]]
            assert torch.allclose(torch.tensor(rollout.logprobs), expected, atol=1e-4)


def test_every_prompt_gets_its_whole_group_in_order(sampler: TransformersSampler):
    groups = sampler.sample(prompts(9), SHORT)
    assert [[rollout.problem_id for rollout in group] for group in groups] == [[p.id] * 6 for p in prompts(9)]
    assert [[rollout.index for rollout in group] for group in groups] == [list(range(6))] * 9
    assert len({rollout.seed for rollout in flat(groups)}) == 54
    for prompt, group in zip(prompts(9), groups, strict=True):
        assert {rollout.prompt_tokens for rollout in group} == {len(encode(processor(), prompt).input_ids)}


def test_a_groups_rollouts_depend_neither_on_its_company_nor_on_the_batch(sampler: TransformersSampler):
    whole = sampler.sample(prompts(12), SHORT)
    apart = [sampler.sample([prompt], SHORT)[0] for prompt in prompts(12)]
    narrow = TransformersSampler(model(), processor(), batch_size=4).sample(prompts(12), SHORT)
    tokens = [[rollout.token_ids for rollout in group] for group in whole]
    assert tokens == [[rollout.token_ids for rollout in group] for group in apart]
    assert tokens == [[rollout.token_ids for rollout in group] for group in narrow]


def test_more_completions_do_not_change_the_first_ones(sampler: TransformersSampler):
    few, many = (sampler.sample(prompts(3), SamplingParams(n=n, max_tokens=12)) for n in (2, 7))
    assert [[r.token_ids for r in group] for group in few] == [[r.token_ids for r in group[:2]] for group in many]


def test_the_seeds_of_problems_can_be_given(sampler: TransformersSampler):
    same = sampler.sample(prompts(2), SHORT, [1, 2])
    assert same == sampler.sample(prompts(2), SHORT, [1, 2])
    alone = sampler.sample(prompts(1), SHORT, [1])[0]
    assert [rollout.token_ids for rollout in alone] == [rollout.token_ids for rollout in same[0]]
    assert flat(same) != flat(sampler.sample(prompts(2), SHORT, [3, 4]))


def test_a_fresh_process_that_did_something_else_before_samples_the_same_bits():
    code = (
        "import hashlib, torch\n"
        "torch.manual_seed(77)\n"
        "from mmupt import sampling\n"
        "from tests.sampling_parts import prompts\n"
        "sampler = sampling.open('transformers', 'tiny')\n"
        "params = sampling.SamplingParams(n=6, temperature=1.0, top_p=0.95, max_tokens=16, seed=5)\n"
        "sampler.sample(prompts(3), params)\n"
        "print(torch.get_num_threads())\n"
        "print(hashlib.sha256(repr(sampler.sample(prompts(12), params)).encode()).hexdigest())\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    here = sampling.open("transformers", "tiny").sample(prompts(12), SHORT)
    digest = hashlib.sha256(repr(here).encode()).hexdigest()
    assert done.stdout.split() == [str(torch.get_num_threads()), digest]


def test_a_completion_ends_with_its_turn_or_is_called_truncated():
    ends = processor().tokenizer.eos_token_id
    keen = TransformersSampler(favour(model(), (ends,), 3.0), processor())
    rollouts = flat(keen.sample(prompts(8), SamplingParams(n=8, temperature=1.0, top_p=1.0, max_tokens=12)))
    assert {rollout.finish_reason for rollout in rollouts} == {"stop", "length"}
    for rollout in rollouts:
        assert (rollout.token_ids[-1] == ends) == (rollout.finish_reason == "stop")
        assert ends not in rollout.token_ids[:-1]
        assert len(rollout.logprobs) == len(rollout.token_ids)
        assert rollout.finish_reason == "stop" or len(rollout.token_ids) == 12
        assert "<|" not in rollout.text


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_token_that_stands_for_a_picture_is_never_sampled(temperature: float):
    banned = vision_token_ids(model().config, processor().tokenizer)
    assert len(banned) == 5
    wanting = favour(model(), banned, 60.0)
    params = SamplingParams(n=4, temperature=temperature, top_p=0.9, max_tokens=10)
    rollouts = flat(TransformersSampler(wanting, processor()).sample(prompts(6), params))
    assert not {token for rollout in rollouts for token in rollout.token_ids} & set(banned)
    assert max(max(rollout.logprobs) for rollout in rollouts) < -30


def test_a_live_model_is_left_in_the_mode_it_was_in():
    live = model()
    live.train()
    live.model.visual.eval()
    TransformersSampler(live, processor()).sample(prompts(2), SHORT)
    assert live.training and live.model.language_model.layers[0].training
    assert not live.model.visual.training and not live.model.visual.blocks[0].training
    assert live.config.get_text_config()._attn_implementation == "sdpa"
    assert all(parameter.grad is None for parameter in live.parameters())


def test_a_live_model_is_sampled_with_the_weights_of_the_moment_adapters_included():
    live = get_peft_model(model(), LoraConfig(target_modules=["q_proj", "v_proj"], r=4, lora_dropout=0.5))
    shared = TransformersSampler(live, processor())
    before = shared.sample(prompts(3), SHORT)
    assert before == TransformersSampler(model(), processor()).sample(prompts(3), SHORT)
    with torch.no_grad():
        for name, parameter in live.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    assert shared.sample(prompts(3), SHORT) != before


def test_prompts_without_a_picture_are_sampled_beside_those_with_one(sampler: TransformersSampler):
    plain = chat("plain", "What is 3 plus 4?", ())
    mixed = sampler.sample([prompts(1)[0], plain, *prompts(3)[1:]], SHORT)
    assert [r.token_ids for r in mixed[1]] == [r.token_ids for r in sampler.sample([plain], SHORT)[0]]


def test_another_model_class_goes_through_generate_and_is_told(capsys: pytest.CaptureFixture[str]):
    qwen2, banned = qwen2_vl(), vision_token_ids(model().config, processor().tokenizer)
    other = TransformersSampler(qwen2, processor())
    assert "qwen2_vl is sampled by its own generate()" in capsys.readouterr().err
    groups = other.sample(prompts(3), SHORT)
    assert [len(group) for group in groups] == [6, 6, 6]
    assert groups == other.sample(prompts(3), SHORT)
    assert len({rollout.token_ids for rollout in groups[0]}) > 1
    assert not {token for rollout in flat(groups) for token in rollout.token_ids} & set(banned)


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(UserError, match="batch_size = 0"):
        sampling.open("transformers", "tiny", batch_size=0)


def qwen2_vl() -> Qwen2VLForConditionalGeneration:
    """A random Qwen2-VL (another class than the embedded one) with the embedded model's tokens."""
    text = model().config.text_config.to_dict()
    tokens = {
        name: getattr(model().config, name) for name in ("image_token_id", "video_token_id", "vision_start_token_id")
    }
    vision = {"depth": 1, "embed_dim": 32, "hidden_size": 128, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14}
    torch.manual_seed(0)
    text["model_type"] = "qwen2_vl_text"
    return Qwen2VLForConditionalGeneration(Qwen2VLConfig(text_config=text, vision_config=vision, **tokens)).eval()
