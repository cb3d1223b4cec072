"""The layout without sharing: every completion is its own row behind its own copy of the prompt and the pictures.

Slower and larger than `shared_prefix` by up to G, and right for any image-text model that generates with the standard
inputs: the fallback for a model class that `shared_prefix` was not checked against, and the yardstick that it is tested
against.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmupt.training.scores import EncodedGroup, TokenScores, images_of, seen_by, token_scores


def score(
    model: nn.Module, groups: Sequence[EncodedGroup], temperature: float, *, statistics: bool = True
) -> TokenScores:
    """Scores of all completion tokens, as `shared_prefix.score` gives them."""
    device = next(model.parameters()).device
    rows = [(group.prompt_ids, completion) for group in groups for completion in group.completions_G_T]
    prompt_length = max(len(prompt) for prompt, _ in rows)
    completion_length = max(len(completion) for _, completion in rows)
    input_ids = torch.zeros(len(rows), prompt_length + completion_length, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    for row, (prompt, completion) in enumerate(rows):
        start, end = prompt_length - len(prompt), prompt_length + len(completion)
        input_ids[row, start:prompt_length] = prompt
        input_ids[row, prompt_length:end] = torch.tensor(completion, dtype=torch.long)
        attention_mask[row, start:end] = 1
    input_ids, attention_mask = input_ids.to(device), attention_mask.to(device)
    inner = getattr(model, "module", model)
    extra = images_of(seen_by(groups, device), [len(group.completions_G_T) for group in groups])
    if extra:
        extra["mm_token_type_ids"] = (input_ids == inner.config.image_token_id).int()
    kept = completion_length + 1
    logits = model(
        input_ids=input_ids, attention_mask=attention_mask, logits_to_keep=kept, use_cache=False, **extra
    ).logits
    lengths = torch.tensor([len(completion) for _, completion in rows])
    rows_N = torch.repeat_interleave(torch.arange(len(rows)), lengths).to(device)
    offsets_N = torch.cat([torch.arange(len(completion)) for _, completion in rows]).to(device)
    targets_N = input_ids[rows_N, prompt_length + offsets_N]
    return token_scores(
        _as_they_are, logits[rows_N, offsets_N], targets_N, temperature, logits.shape[-1], statistics=statistics
    )


def _as_they_are(logits: Tensor) -> Tensor:
    """The head of states that are logits already: an unknown model class may change its logits behind its head."""
    return logits
