"""What the update reads of the policy: one number for each completion token, in a flat vector.

A layout (`shared_prefix`, `repeated`) takes encoded groups and a model and answers with `TokenScores`, whose `_N` axis
runs over groups, then completions, then tokens. Packing, padding and masks stay inside the layout.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmupt.sampling.pixels import Patches, Shown


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
    plain_logps_N: Tensor
    """The same at temperature 1, without a gradient: what samplers report."""
    entropies_N: Tensor
    """Entropy of the distribution that each token was drawn from, at the training temperature, without a gradient."""
    uniform_kl_N: Tensor
    """KL from the uniform distribution to that distribution, without a gradient."""
    vocabulary: int
    """Tokens that the distributions run over."""


def token_scores(
    logits: Tensor, rows_N: Tensor, columns_N: Tensor, targets_N: Tensor, temperature: float
) -> TokenScores:
    """Scores of the tokens `targets_N`, each predicted by `logits[rows_N, columns_N]`; logits are (B, R,
    vocabulary)."""
    # One row for each token: also where G completions share the last prompt position, only (N, vocabulary) is held.
    logits_N = logits[rows_N, columns_N].float()
    with torch.no_grad():
        plain_N = _chosen(logits_N, targets_N)
    scaled_N = logits_N if temperature == 1.0 else logits_N / temperature
    logps_N = _chosen(scaled_N, targets_N)
    with torch.no_grad():
        probabilities = torch.softmax(scaled_N, dim=-1)
        whole_N = torch.logsumexp(scaled_N, dim=-1)
        entropies_N = whole_N - (probabilities * scaled_N).sum(-1)
        uniform_kl_N = whole_N - scaled_N.mean(-1) - math.log(scaled_N.shape[-1])
    return TokenScores(logps_N, plain_N, entropies_N, uniform_kl_N, scaled_N.shape[-1])


def _chosen(logits_N: Tensor, targets_N: Tensor) -> Tensor:
    picked: Tensor = logits_N.gather(-1, targets_N[:, None]).squeeze(-1)
    return picked - torch.logsumexp(logits_N, dim=-1)


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
