"""The clipped GRPO loss of MM-UPT over a flat vector of completion tokens (`_N`: tokens of some groups, group by
group).

    ratio_n = exp(logp_n - old_n)
    policy_n = -min(ratio_n A, clip(ratio_n, 1 - clip_low, 1 + clip_high) A)     GRPO, arXiv 2402.03300, eq. 3
    for A < 0, policy_n is at most -dual_clip A                                   dual clip, arXiv 1912.09729, eq. 5
    kl_n = exp(ref_n - logp_n) - (ref_n - logp_n) - 1                             k3, arXiv 2402.03300, eq. 4
    loss = sum_n weight_n (policy_n + kl_coefficient kl_n)                        weights: see `aggregation`

MM-UPT (arXiv 2505.22453, section 3) takes A from the majority reward, normalised within the group; A comes in ready
made. With one update for each batch of rollouts `old` is the detached log-prob itself: the ratio is 1 and only its
gradient counts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Clip:
    """Limits of the ratio of new to old probability."""

    low: float = 0.2
    high: float = 0.3
    dual: float = 3.0


@dataclass(frozen=True)
class LossTerms:
    """The loss of some tokens, and sums over them for the log."""

    loss: Tensor
    """Scalar with a gradient."""
    kl_sum: Tensor
    """Sum of k3 over the tokens; 0 without a reference."""
    clipped: Tensor
    """Tokens whose gradient the clip removed."""


def grpo_loss(
    logps_N: Tensor,
    advantages_N: Tensor,
    weights_N: Tensor,
    *,
    clip: Clip,
    old_N: Tensor | None = None,
    ref_N: Tensor | None = None,
    kl_coefficient: float = 0.0,
) -> LossTerms:
    """The loss over N tokens. `old_N` None: on-policy. `ref_N` is needed only where `kl_coefficient` is not zero."""
    old_N = logps_N.detach() if old_N is None else old_N
    ratio_N = torch.exp(logps_N - old_N)
    clipped_N = torch.clamp(ratio_N, 1 - clip.low, 1 + clip.high)
    bounded_N = torch.clamp(ratio_N, max=clip.dual)
    token_loss_N = -torch.min(bounded_N * advantages_N, clipped_N * advantages_N)
    kl_sum = logps_N.new_zeros(())
    if kl_coefficient != 0.0 and ref_N is not None:
        kl_N = torch.exp(ref_N - logps_N) - (ref_N - logps_N) - 1
        token_loss_N = token_loss_N + kl_coefficient * kl_N
        kl_sum = kl_N.detach().sum()
    outside_N = (ratio_N < 1 - clip.low) & (advantages_N < 0) | (ratio_N > 1 + clip.high) & (advantages_N > 0)
    return LossTerms((weights_N * token_loss_N).sum(), kl_sum, outside_N.sum())
