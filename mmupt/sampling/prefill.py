"""Encoded prompts -> what decoding starts from: keys and values, the first logits, the rotary position of the first
token.

A picture that several prompts share is seen once; prompts are padded on the left; positions come from the model's own
`get_rope_index`. Work is cut into batches of bounded size, which changes nothing but rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from mmupt.sampling.decoding import Prefilled
from mmupt.sampling.encode import Encoded
from mmupt.types import ImageRef

Item = TypeVar("Item")

PATCHES_AT_ONCE = 16_384
TOKENS_AT_ONCE = 16_384


@dataclass(frozen=True)
class Seen:
    """The pictures of one prompt, as the language model is given them."""

    features: Tensor
    """(image tokens, hidden)."""
    grid: Tensor
    """(pictures, 3): time, height and width of each picture in patches."""


def prefill(model: nn.Module, prompts: Sequence[Encoded]) -> Prefilled:
    """Read the prompts; `model` is the whole image-text model."""
    length = max(len(prompt.input_ids) for prompt in prompts)
    seen = dict(zip(map(id, prompts), _see(model, prompts), strict=True))
    parts = [
        _read(model, batch, [seen[id(prompt)] for prompt in batch], length)
        for batch in _batches(prompts, lambda _: length, TOKENS_AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _see(model: nn.Module, prompts: Sequence[Encoded]) -> list[Seen | None]:
    """The pictures of each prompt; None without a picture."""
    device = model.lm_head.weight.device
    shown = [prompt.pictures for prompt in prompts]
    distinct = {pictures.refs: pictures for pictures in shown if pictures is not None}
    seen: dict[tuple[ImageRef, ...], Seen] = {}
    for batch in _batches(list(distinct.values()), lambda pictures: pictures.patches, PATCHES_AT_ONCE):
        patches = [pictures.on(device) for pictures in batch]
        values, grids = torch.cat([each.values for each in patches]), torch.cat([each.grid for each in patches])
        found = iter(model.model.get_image_features(values, grids).pooler_output)
        for pictures, each in zip(batch, patches, strict=True):
            seen[pictures.refs] = Seen(torch.cat([next(found) for _ in pictures.refs]), each.grid)
    return [None if pictures is None else seen[pictures.refs] for pictures in shown]


def _read(model: nn.Module, prompts: Sequence[Encoded], seen: Sequence[Seen | None], length: int) -> Prefilled:
    device = model.lm_head.weight.device
    ids = torch.zeros(len(prompts), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt.input_ids) :] = torch.tensor(prompt.input_ids)
        mask[row, length - len(prompt.input_ids) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    images = (ids == model.config.image_token_id) & mask.bool()
    embeddings = model.get_input_embeddings()(ids)
    shown = [each for each in seen if each is not None]
    if shown:
        features = torch.cat([each.features for each in shown])
        embeddings = embeddings.masked_scatter(images[..., None], features.to(embeddings.dtype))
    grid = torch.cat([each.grid for each in shown]) if shown else None
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
