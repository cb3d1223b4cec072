"""Logits of the next token -> one token for each row, drawn with noise that the caller brings, and its
log-probability.

Top-p without sorting: a token drawn from all tokens is kept if it lies in the nucleus, else one is drawn from the
nucleus alone. Both ways together give the nucleus distribution: p + (1 - Z) p / Z = p / Z for mass Z. Only the few
rows of the second way are sorted. The nucleus is the smallest set of most likely tokens that holds at least `top_p`;
tokens as likely as its last one belong to it.
"""

import torch
from torch import Tensor


def draw(logits: Tensor, noise: Tensor, *, temperature: float, top_p: float, banned: Tensor) -> tuple[Tensor, Tensor]:
    """(S, V) logits and (S, 2) uniform noise -> (S,) tokens and (S,) log-probs at temperature 1 over all V tokens."""
    logits = logits.float()
    normaliser = torch.logsumexp(logits, dim=-1)
    allowed = logits.index_fill(1, banned, -torch.inf)
    if temperature == 0:
        tokens = allowed.argmax(-1)
    else:
        tokens = _sample(allowed if temperature == 1 else allowed / temperature, noise, top_p)
    return tokens, logits.gather(1, tokens[:, None]).squeeze(1) - normaliser


def _sample(scaled: Tensor, noise: Tensor, top_p: float) -> Tensor:
    probs = scaled.softmax(-1)
    tokens = _invert(probs, noise[:, 0])
    if top_p < 1:
        # A token with more than 1 - top_p leaves less than top_p to the likelier ones: it is inside without a look.
        chosen = probs.gather(1, tokens[:, None]).squeeze(1)
        rows = (chosen <= 1 - top_p).nonzero().squeeze(1)
        likelier = torch.where(probs[rows] > chosen[rows, None], probs[rows], 0.0).sum(-1)
        outside = rows[likelier >= top_p]
        if len(outside):
            tokens[outside] = _sample_nucleus(probs[outside], noise[outside, 1], top_p)
    return tokens


def _sample_nucleus(probs: Tensor, noise: Tensor, top_p: float) -> Tensor:
    ranked, order = probs.sort(dim=-1, descending=True, stable=True)
    before = ranked.cumsum(-1) - ranked
    kept = ranked.masked_fill(before >= top_p, 0.0)
    return order.gather(1, _invert(kept, noise)[:, None]).squeeze(1)


def _invert(weights: Tensor, noise: Tensor) -> Tensor:
    """The first token whose cumulated weight exceeds its row's noise x total; it never has weight 0."""
    cumulated = weights.cumsum(-1)
    total = cumulated[:, -1]
    # Noise close to 1 may round up to the total, which no token exceeds.
    point = torch.minimum(noise * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulated, point[:, None], right=True).squeeze(1)
