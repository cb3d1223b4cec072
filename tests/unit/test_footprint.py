"""Sizes of models, and what a pass keeps for its backward pass, against the real thing."""

import pytest
import torch
from transformers import PreTrainedModel

from mmupt import config
from mmupt.config.train import LoraConfig, TrainConfig
from mmupt.training import shared_prefix
from mmupt.training.footprint import (
    BUCKET,
    LOGITS_AT_ONCE,
    SAMPLER_BATCH,
    VLLM_SHARE,
    activations,
    footprint,
    pack_limits,
    picture_tokens,
    weights_of,
)
from mmupt.training.model_shape import PUBLISHED, find_shape, shape_of
from mmupt.training.policy import freeze_vision, with_lora
from mmupt.training.storage import FILE
from tests.bench.models import qwen_3b, random_group, small
from tests.live_tensors import Live
from tests.training_parts import untrained

SEVEN = PUBLISHED["Qwen/Qwen2.5-VL-7B"]


def test_the_published_models_have_the_published_numbers_of_weights():
    counted = {name.rpartition("-")[2]: shape.parameters for name, shape in PUBLISHED.items()}
    assert counted == {"3B": 3_754_622_976, "7B": 8_292_166_656, "32B": 33_452_718_336, "72B": 73_410_777_344}


def test_transformers_counts_the_same_weights():
    model = qwen_3b("meta")
    assert (
        shape_of(model.config.to_dict()) == PUBLISHED["Qwen/Qwen2.5-VL-3B"] == find_shape("Qwen/Qwen2.5-VL-3B-Instruct")
    )
    assert sum(each.numel() for each in model.parameters()) == PUBLISHED["Qwen/Qwen2.5-VL-3B"].parameters
    vision = sum(each.numel() for name, each in model.named_parameters() if ".visual." in name)
    assert vision == PUBLISHED["Qwen/Qwen2.5-VL-3B"].vision.parameters


@pytest.mark.parametrize("vision", [True, False])
def test_peft_counts_the_same_adapters(vision):
    lora = LoraConfig(rank=8, target_modules=("q_proj", "up_proj", "qkv", "down_proj"))
    model = small()
    shape = shape_of(model.config.to_dict())
    adapted = with_lora(model, lora, vision=vision, seed=0)
    trained = sum(each.numel() for each in adapted.parameters() if each.requires_grad)
    assert trained == shape.adapter_parameters(lora, vision=vision)


def test_a_model_that_is_not_known_here_has_no_shape():
    assert find_shape("someone/unknown-model") is None


@pytest.mark.parametrize(
    ("make", "dtype", "checkpointing", "frozen"),
    [
        (untrained, torch.float32, False, False),
        (untrained, torch.float32, True, False),
        (untrained, torch.bfloat16, False, False),
        (untrained, torch.bfloat16, False, True),
        (untrained, torch.bfloat16, True, False),
        (untrained, torch.bfloat16, True, True),
        (small, torch.float32, False, False),
        (small, torch.bfloat16, True, False),
    ],
)
def test_a_pass_keeps_what_the_dry_run_says(make, dtype, checkpointing, frozen):
    model: PreTrainedModel = make().to(dtype)
    shape = shape_of(model.config.to_dict())
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
    if frozen:
        freeze_vision(model)
    group = random_group(model, cells=(16, 16), completions=2, tokens=8)
    tokens, patches = len(group.prompt_ids) + group.tokens, 4 * 16 * 16
    shared_prefix.score(model, [group], 1.0).logps_N.mean().backward()
    grads = [each.grad for each in model.parameters() if each.grad is not None]
    with Live([*model.parameters(), *grads]) as live:
        scores = shared_prefix.score(model, [group], 1.0)
        kept = live.now
        scores.logps_N.mean().backward()
    said, layer = activations(shape, tokens, patches, dtype.itemsize, checkpointing=checkpointing, vision=not frozen)
    mask = dtype.itemsize * tokens**2
    assert kept == pytest.approx(said + mask, rel=0.5 if frozen and checkpointing else 0.05)
    assert 0.8 < live.peak / (said + layer + mask) < 1.35


def test_the_limits_that_are_reckoned_with_are_those_of_the_code():
    from mmupt.sampling import transformers, vllm
    from mmupt.training import engine_deepspeed, scores, whole_weights

    assert engine_deepspeed.LARGEST_BUCKET == BUCKET and scores.LOGITS_AT_ONCE == LOGITS_AT_ONCE
    assert transformers.BATCH_SIZE == SAMPLER_BATCH and vllm.SHARE_BESIDE_TRAINER == VLLM_SHARE
    assert whole_weights.FILE_BYTES == FILE


def settings(*sets: str) -> TrainConfig:
    return config.parse(TrainConfig, {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "device": "cuda"}, sets)


def test_seven_billion_weights_on_eight_gpus_by_hand():
    asked = settings("deepspeed=zero3", "rollout.engine=vllm", "rollout.gpu_memory_utilization=0.5")
    found = footprint(asked, SEVEN, 8, on_gpu=True, gpu_bytes=80 * 10**9, engine="vllm")
    weights = 8_292_166_656
    sizes = {part.what: part.size for part in (*found.always, *found.updating, *found.sampling)}
    assert sizes["weights"] == sizes["gradients"] == weights // 4  # 2 bytes, an eighth of them
    assert sizes["reference policy"] == 2 * weights
    assert sizes["optimiser"] == 12 * weights // 8
    assert sizes["vLLM"] == 40 * 10**9
    whole = footprint(settings("deepspeed=zero2"), SEVEN, 8, on_gpu=True, gpu_bytes=0, engine="server")
    assert {part.what: part.size for part in whole.always}["weights"] == 2 * weights and whole.sampling == ()


def test_adapters_and_frozen_vision_are_trained_alone():
    sets = ("deepspeed=zero2", "lora.rank=64", "freeze_vision=true")
    weights = weights_of(settings(*sets), SEVEN, on_gpu=True)
    # rank x (inputs + outputs) of the seven linear layers of each of 28 layers
    each = 64 * ((3584 + 3584) * 2 + (3584 + 512) * 2 + (3584 + 18944) * 3)
    assert weights.trained == weights.adapters == 28 * each
    frozen = weights_of(settings("freeze_vision=true"), SEVEN, on_gpu=True)
    assert (frozen.all, frozen.trained) == (8_292_166_656, 7_615_616_512)


def test_the_largest_pack_is_the_longest_group_or_the_limit():
    assert pack_limits(settings()) == (2048 + 10 * 2048, 10 * 2048)
    assert pack_limits(settings("update.pack_tokens=30000"))[0] == 30000
    # 1,204,224 pixels are 1,536 image tokens
    assert picture_tokens(settings("rollout.max_pixels=1204224"), SEVEN, 22528) == 14 * 1536
