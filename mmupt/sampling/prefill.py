"""Encoded prompts -> what decoding starts from: keys and values, the first logits, the rotary position of the first
token.

A picture that several prompts share is seen once; prompts are padded on the left; positions come from the model's own
`get_rope_index`. Work is cut into batches of bounded size, which changes nothing but rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from mmupt.sampling.decoding import Prefilled
from mmupt.sampling.encode import Encoded

Item = TypeVar("Item")

PATCHES_AT_ONCE = 16_384
TOKENS_AT_ONCE = 16_384


def prefill(model: nn.Module, prompts: Sequence[Encoded]) -> Prefilled:
    """Read the prompts; `model` is the whole image-text model."""
    length = max(len(prompt.input_ids) for prompt in prompts)
    features = dict(zip(map(id, prompts), _see(model, prompts), strict=True))
    parts = [
        _read(model, batch, [features[id(prompt)] for prompt in batch], length)
        for batch in _batches(prompts, lambda _: length, TOKENS_AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _see(model: nn.Module, prompts: Sequence[Encoded]) -> list[Tensor | None]:
    """(image tokens, hidden) for each prompt."""
    device = model.lm_head.weight.device
    shown = [(prompt.pixel_values, prompt.image_grid_thw) for prompt in prompts]
    distinct = {id(pixels): (pixels, grid) for pixels, grid in shown if pixels is not None and grid is not None}
    seen: dict[int, Tensor] = {}
    for batch in _batches(list(distinct.values()), lambda picture: len(picture[0]), PATCHES_AT_ONCE):
        pixels, grids = (torch.cat(parts).to(device) for parts in zip(*batch, strict=True))
        found = iter(model.model.get_image_features(pixels, grids).pooler_output)
        seen |= {id(pixels): torch.cat([next(found) for _ in grid]) for pixels, grid in batch}
    return [seen.get(id(pixels)) for pixels, _ in shown]


def _read(model: nn.Module, prompts: Sequence[Encoded], features: Sequence[Tensor | None], length: int) -> Prefilled:
    device = model.lm_head.weight.device
    ids = torch.zeros(len(prompts), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt.input_ids) :] = torch.tensor(prompt.input_ids)
        mask[row, length - len(prompt.input_ids) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    images = (ids == model.config.image_token_id) & mask.bool()
    embeddings = model.get_input_embeddings()(ids)
    shown = [feature for feature in features if feature is not None]
    if shown:
        embeddings = embeddings.masked_scatter(images[..., None], torch.cat(shown).to(embeddings.dtype))
    grids = [prompt.image_grid_thw for prompt in prompts if prompt.image_grid_thw is not None]
    grid = torch.cat(grids).to(device) if grids else None
    positions, _ = model.model.get_rope_index(ids, images.int(), image_grid_thw=grid, attention_mask=mask)
    cache = DynamicCache(config=model.model.language_model.config)
    hidden = model.model.language_model(
        inputs_embeds=embeddings, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True
    ).last_hidden_state
    return Prefilled(cache, mask.bool(), model.lm_head(hidden[:, -1]), positions[:, :, -1].amax(0) + 1)


def _joined(parts: Sequence[Prefilled]) -> Prefilled:
    cache = parts[0].cache
    for number, layer in enumerate(cache.layers):
        layer.keys = torch.cat([part.cache.layers[number].keys for part in parts])
        layer.values = torch.cat([part.cache.layers[number].values for part in parts])
    fields = [torch.cat([getattr(part, name) for part in parts]) for name in ("mask", "logits", "positions")]
    return Prefilled(cache, *fields)


def _batches(items: Sequence[Item], size: Callable[[Item], int], limit: int) -> Iterator[list[Item]]:
    """Consecutive items whose sizes sum up to at most `limit`; an item that is larger comes alone."""
    batch: list[Item] = []
    filled = 0
    for item in items:
        if batch and filled + size(item) > limit:
            yield batch
            batch, filled = [], 0
        batch.append(item)
        filled += size(item)
    if batch:
        yield batch
