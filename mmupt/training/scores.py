"""What the update reads of the policy: one number for each completion token, in a flat vector.

A layout (`shared_prefix`, `repeated`) takes encoded groups and a model and answers with `TokenScores`, whose `_N` axis
runs over groups, then completions, then tokens. Packing, padding and masks stay inside the layout.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class EncodedGroup:
    """One group, ready for the model: the prompt once, the pictures once, G completions."""

    prompt_ids: Tensor
    """(prompt tokens,) with one id for each image token."""
    pixel_values: Tensor | None
    """Patches of all pictures of the prompt, as the processor made them; None without a picture."""
    image_grid_thw: Tensor | None
    """(pictures, 3)."""
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


def images_of(groups: Sequence[EncodedGroup], times: Sequence[int] | None = None) -> dict[str, Tensor]:
    """Model inputs for the pictures of all groups, in order; `times` repeats those of each group (the layout without
    sharing)."""
    repeats = times or [1] * len(groups)
    pixels = [group.pixel_values for group, count in zip(groups, repeats, strict=True) for _ in range(count)]
    grids = [group.image_grid_thw for group, count in zip(groups, repeats, strict=True) for _ in range(count)]
    kept = [(pixel, grid) for pixel, grid in zip(pixels, grids, strict=True) if pixel is not None and grid is not None]
    if not kept:
        return {}
    return {
        "pixel_values": torch.cat([pixel for pixel, _ in kept]),
        "image_grid_thw": torch.cat([grid for _, grid in kept]),
    }
