"""Drawing one token: the distribution, the ban and the log-probability."""

import pytest
import torch

from mmupt.sampling.nucleus import draw

NOTHING = torch.tensor([], dtype=torch.long)


def nucleus_distribution(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """What draw must follow, by the definition: tokens in order until their sum reaches top_p."""
    probs = (logits / temperature).softmax(-1)
    kept = torch.zeros_like(probs)
    total = 0.0
    for token in probs.argsort(descending=True).tolist():
        if total >= top_p:
            break
        kept[token] = probs[token]
        total += float(probs[token])
    return kept / kept.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0])
@pytest.mark.parametrize("top_p", [0.3, 0.8, 0.99, 1.0])
def test_tokens_follow_the_nucleus_distribution(temperature: float, top_p: float):
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(40, generator=generator)
    noise = torch.rand(60_000, 2, generator=generator)
    tokens, _ = draw(logits.expand(60_000, -1), noise, temperature=temperature, top_p=top_p, banned=NOTHING)
    seen = torch.bincount(tokens, minlength=40) / 60_000
    expected = nucleus_distribution(logits, temperature, top_p)
    assert float((seen - expected).abs().max()) < 0.008
    assert bool((seen[expected == 0] == 0).all())


def test_a_banned_token_is_never_drawn_however_likely_it_is():
    logits = torch.zeros(2000, 8)
    logits[:, 3] = 1000.0
    noise = torch.rand(2000, 2, generator=torch.Generator().manual_seed(2))
    banned = torch.tensor([3, 7])
    for temperature in (0.0, 0.7, 1.0):
        tokens, logprobs = draw(logits, noise, temperature=temperature, top_p=0.9, banned=banned)
        assert not bool(torch.isin(tokens, banned).any())
        assert torch.allclose(logprobs, torch.tensor(-1000.0))


def test_noise_at_either_end_gives_a_token_that_can_be_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, 1.0, -torch.inf]]).expand(3, -1)
    noise = torch.tensor([[0.0, 0.0], [1.0 - 2**-24, 0.5], [1.0, 1.0]])
    tokens, _ = draw(logits, noise, temperature=1.0, top_p=1.0, banned=NOTHING)
    assert tokens.tolist() == [1, 2, 2]


def test_log_probs_are_those_of_the_model_at_temperature_one():
    logits = torch.randn(50, 30, generator=torch.Generator().manual_seed(3))
    noise = torch.rand(50, 2, generator=torch.Generator().manual_seed(4))
    tokens, logprobs = draw(logits, noise, temperature=0.3, top_p=0.5, banned=torch.tensor([5]))
    assert torch.allclose(logprobs, logits.log_softmax(-1)[torch.arange(50), tokens], atol=1e-6)


def test_greedy_takes_the_most_likely_token_of_those_allowed():
    logits = torch.tensor([[0.0, 3.0, 2.0], [5.0, 1.0, 2.0]])
    tokens, _ = draw(logits, torch.zeros(2, 2), temperature=0, top_p=1.0, banned=torch.tensor([0]))
    assert tokens.tolist() == [1, 2]
