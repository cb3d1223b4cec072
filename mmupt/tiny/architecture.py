"""The small model: a real Qwen2_5_VLForConditionalGeneration of about two million parameters."""

import math

import torch
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

WIDTH = 128
VISION_WIDTH = 96


def make_config(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLConfig:
    """Qwen2.5-VL's configuration in miniature; the vocabulary is rounded up to a multiple of 64."""
    token = tokenizer.convert_tokens_to_ids
    vocabulary = math.ceil(len(tokenizer) / 64) * 64
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": vocabulary, "hidden_size": WIDTH, "intermediate_size": 3 * WIDTH, "num_hidden_layers": 5,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
            "tie_word_embeddings": True, "use_sliding_window": False, "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"), "pad_token_id": token("<|endoftext|>"),
            # Sequences are under 200 tokens: a small base spreads the rotations over the distances that occur.
            "rope_parameters": {"rope_type": "default", "rope_theta": 20.0, "mrope_section": [4, 6, 6]},
        },
        vision_config={
            "depth": 3, "hidden_size": VISION_WIDTH, "intermediate_size": 2 * VISION_WIDTH, "num_heads": 3,
            "out_hidden_size": WIDTH, "patch_size": 14, "spatial_merge_size": 2, "window_size": 112,
            "fullatt_block_indexes": [1, 2], "temporal_patch_size": 2, "tokens_per_second": 2,
        },
        image_token_id=token("<|image_pad|>"), video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"), vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )  # fmt: skip


def make_model(tokenizer: Qwen2Tokenizer, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained model in float32.

    Weights start at a standard deviation of 1/sqrt(fan-in): the library's 0.02 is far too small at this width.
    """
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration._from_config(make_config(tokenizer), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 1 / math.sqrt(parameter[0].numel()))
        for name, parameter in model.named_parameters():
            if "embed_tokens" in name:
                parameter.normal_(0.0, 1 / math.sqrt(WIDTH))
    model.generation_config = GenerationConfig(
        eos_token_id=model.config.text_config.eos_token_id, pad_token_id=model.config.text_config.pad_token_id,
        do_sample=True, temperature=0.7,
    )  # fmt: skip
    return model
