"""What the update reads of the policy: one number for each completion token, in a flat vector.

A layout (`shared_prefix`, `repeated`) takes encoded groups and a model and answers with `TokenScores`, whose `_N` axis
runs over groups, then completions, then tokens. Packing, padding and masks stay inside the layout.

Logits exist for some tokens at a time: a chunk is made, read and let go of, and made again in the backward pass. With a
vocabulary of 152,000 each copy of the logits of 3,000 tokens would take 1.8 GB.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmupt.sampling.pixels import Patches, Shown

LOGITS_AT_ONCE = 2**25
"""Logits of one chunk: 128 MiB in float32."""


@dataclass(frozen=True)
class EncodedGroup:
    """One group, ready for the model: the prompt once, the pictures once, G completions."""

    prompt_ids: Tensor
    """(prompt tokens,) on the host, with one id for each image token."""
    pictures: Shown | None
    """What the prompt shows; patches are made of it for one pass at a time. None without a picture."""
    completions_G_T: tuple[tuple[int, ...], ...]
    """Token ids of each completion, end-of-turn included."""

    @property
    def tokens(self) -> int:
        """Completion tokens of the whole group."""
        return sum(len(completion) for completion in self.completions_G_T)


@dataclass(frozen=True)
class TokenScores:
    """The policy's view of N completion tokens."""

    logps_N: Tensor
    """Log-probability of each token at the training temperature; carries the gradient."""
    vocabulary: int
    """Tokens that the distributions run over."""
    statistics: "Statistics | None" = None
    """None where they were not asked for."""


@dataclass(frozen=True)
class Statistics:
    """What is read of the distributions beside the log-probs, without a gradient."""

    plain_logps_N: Tensor
    """Log-probability of each token at temperature 1: what samplers report."""
    entropies_N: Tensor
    """Entropy of the distribution that each token was drawn from, at the training temperature."""
    uniform_kl_N: Tensor
    """KL from the uniform distribution to that distribution."""


Head = Callable[[Tensor], Tensor]
"""What makes logits (n, vocabulary) of the states of n tokens."""


def token_scores(
    head: Head, states_N: Tensor, targets_N: Tensor, temperature: float, vocabulary: int, *, statistics: bool = True
) -> TokenScores:
    """Scores of the tokens `targets_N`; row n of `states_N` is what the head makes the logits of token n from."""
    size = max(1, LOGITS_AT_ONCE // vocabulary)
    again = torch.is_grad_enabled() and len(targets_N) > size
    found: list[Statistics] = []
    chunks = zip(states_N.split(size), targets_N.split(size), strict=True)
    logps = [_chunk(head, *chunk, temperature, found if statistics else None, again) for chunk in chunks]
    names = Statistics.__dataclass_fields__
    joined = [torch.cat([getattr(each, name) for each in found]) for name in names] if statistics else []
    return TokenScores(torch.cat(logps), vocabulary, Statistics(*joined) if statistics else None)


def _chunk(
    head: Head, states: Tensor, targets: Tensor, temperature: float, found: list[Statistics] | None, again: bool
) -> Tensor:
    """Log-probs of one chunk; `again`: its logits are not held but made again where the gradient needs them."""
    missing = found is not None

    def logps(states: Tensor) -> Tensor:
        nonlocal missing
        plain = head(states).float()
        scaled = plain if temperature == 1.0 else plain / temperature
        if missing and found is not None:  # not once more in the backward pass
            missing = False
            found.append(_statistics(plain, scaled, targets))
        return _chosen(scaled, targets)

    if not again:
        return logps(states)
    made: Tensor = checkpoint(logps, states, use_reentrant=False)
    return made


@torch.no_grad()
def _statistics(plain: Tensor, scaled: Tensor, targets: Tensor) -> Statistics:
    whole = torch.logsumexp(scaled, dim=-1)
    entropies = whole - (torch.softmax(scaled, dim=-1) * scaled).sum(-1)
    uniform_kl = whole - scaled.mean(-1) - math.log(scaled.shape[-1])
    return Statistics(_chosen(plain, targets), entropies, uniform_kl)


def _chosen(logits: Tensor, targets: Tensor) -> Tensor:
    picked: Tensor = logits.gather(-1, targets[:, None]).squeeze(-1)
    return picked - torch.logsumexp(logits, dim=-1)


def seen_by(groups: Sequence[EncodedGroup], device: torch.device) -> list[Patches | None]:
    """The pictures of each group as one pass sees them, on its device; to be let go of after the pass."""
    return [None if group.pictures is None else group.pictures.on(device) for group in groups]


def images_of(seen: Sequence[Patches | None], times: Sequence[int] | None = None) -> dict[str, Tensor]:
    """Model inputs for the pictures of all groups, in order; `times` repeats those of each group (the layout without
    sharing)."""
    repeats = times or [1] * len(seen)
    kept = [each for each, count in zip(seen, repeats, strict=True) for _ in range(count) if each is not None]
    if not kept:
        return {}
    values, grids = torch.cat([each.values for each in kept]), torch.cat([each.grid for each in kept])
    return {"pixel_values": values, "image_grid_thw": grids}
