"""Random-weight Qwen2.5-VL models and groups for the benches: nothing is downloaded, pixels and tokens are noise."""

import random

import torch
from transformers import PreTrainedModel, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from mmupt.sampling.pixels import Patches
from mmupt.training.scores import EncodedGroup
from tests.training_parts import processor

TEXT_TOKENS = 44
"""Tokens of a prompt that are no image tokens, as in 300 = 256 + 44."""


def small() -> PreTrainedModel:
    """Qwen2.5-VL-7B in proportion at one fourteenth of its width: 9 M parameters, float32."""
    token = processor().tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": 2048, "hidden_size": 256, "intermediate_size": 1344, "num_hidden_layers": 6,
        "num_attention_heads": 4, "num_key_value_heads": 1, "max_position_embeddings": 8192,
        "tie_word_embeddings": False, "bos_token_id": None, "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
    }  # fmt: skip
    vision = {
        "depth": 7, "hidden_size": 96, "intermediate_size": 256, "num_heads": 3, "out_hidden_size": 256,
        "patch_size": 14, "spatial_merge_size": 2, "window_size": 112, "fullatt_block_indexes": [3, 6],
        "temporal_patch_size": 2, "tokens_per_second": 2,
    }  # fmt: skip
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    marks = {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
    ids = {f"{name}_token_id": token(spelt) for name, spelt in (names | marks).items()}
    return _random(Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False, **ids), "cpu")


def qwen_3b(device: str) -> PreTrainedModel:
    """Qwen2.5-VL-3B by its published configuration, in bfloat16."""
    text = {
        "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
        "num_attention_heads": 16, "num_key_value_heads": 2, "max_position_embeddings": 128000,
        "tie_word_embeddings": True, "bos_token_id": 151643, "eos_token_id": 151645, "pad_token_id": 151643,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }  # fmt: skip
    vision = {
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048,
        "patch_size": 14, "spatial_merge_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
        "temporal_patch_size": 2, "tokens_per_second": 2,
    }  # fmt: skip
    ids = {"image_token_id": 151655, "video_token_id": 151656, "vision_start_token_id": 151652}
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=True, vision_end_token_id=151653, **ids
    )
    return _random(config, device)


def random_group(model: PreTrainedModel, *, cells: tuple[int, int], completions: int, tokens: int) -> EncodedGroup:
    """One group about one picture of height x width `cells` (image tokens); completions of `tokens` each."""
    draw, config = random.Random(0), model.config
    device = model.device
    image = [config.image_token_id] * (cells[0] * cells[1])
    words = [draw.randrange(20, 500) for _ in range(TEXT_TOKENS - 2)]
    ids = [config.vision_start_token_id, *image, config.vision_end_token_id, *words]
    grid = torch.tensor([[1, 2 * cells[0], 2 * cells[1]]])
    pixels = torch.randn(4 * len(image), 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(0))
    said = tuple(tuple(draw.randrange(20, 500) for _ in range(tokens)) for _ in range(completions))
    return EncodedGroup(torch.tensor(ids), Patches(pixels, grid).on(device), said)


def _random(config: Qwen2_5_VLConfig, device: str) -> PreTrainedModel:
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    with torch.device(device):
        return Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=dtype)
