"""The loss: its clips and KL by hand, and weights that do not depend on how the work is cut."""

import math

import pytest
import torch

from mmupt.training.aggregation import token_weights
from mmupt.training.grpo import Clip, grpo_loss

ONE = torch.ones(1)


def loss_at(ratio: float, advantage: float) -> tuple[float, float]:
    """The loss of one token at a ratio of new to old probability, and its derivative by the log-prob."""
    logp = torch.tensor([math.log(ratio)], requires_grad=True)
    terms = grpo_loss(logp, ONE * advantage, ONE, clip=Clip(0.2, 0.3, 3.0), old_N=torch.zeros(1))
    terms.loss.backward()
    assert logp.grad is not None
    return float(terms.loss.detach()), float(logp.grad)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),  # on-policy: the gradient of -A log p
        (1.2, 1.0, -1.2, -1.2),  # inside the clip
        (1.5, 1.0, -1.3, 0.0),  # above it: no more reward for going on
        (0.5, 1.0, -0.5, -0.5),  # a good token that became unlikely still pulls
        (0.5, -1.0, 0.8, 0.0),  # a bad token is unlikely enough
        (2.0, -1.0, 2.0, 2.0),  # a bad token that became likely is pushed down
        (5.0, -1.0, 3.0, 0.0),  # but not without limit: the dual clip
    ],
)
def test_the_clips_act_where_the_paper_says(ratio: float, advantage: float, loss: float, slope: float) -> None:
    assert loss_at(ratio, advantage) == (pytest.approx(loss), pytest.approx(slope))


def test_k3_is_zero_at_the_reference_and_pulls_back_to_it() -> None:
    logp = torch.tensor([-1.0, -2.0], requires_grad=True)
    terms = grpo_loss(
        logp, torch.zeros(2), torch.ones(2), clip=Clip(), ref_N=torch.tensor([-1.0, -1.0]), kl_coefficient=0.5
    )
    terms.loss.backward()
    assert float(terms.kl_sum) == pytest.approx(math.e - 2)
    assert logp.grad is not None
    assert logp.grad.tolist() == [0.0, pytest.approx(0.5 * (1 - math.e))]


@pytest.mark.parametrize(
    ("loss_type", "wanted"),
    [
        ("bnpo", [1 / 8, 1 / 8, 1 / 12, 1 / 12]),
        ("dapo", [1 / 10] * 4),
        ("grpo", [1 / 4, 1 / 12, 1 / 20, 1 / 4]),
        ("dr_grpo", [1 / 40] * 4),
    ],
)
def test_token_weights_by_hand(loss_type: str, wanted: list[float]) -> None:
    assert token_weights([1, 3, 5, 1], loss_type, 2, 10) == pytest.approx(wanted)


def test_an_update_without_any_token_has_no_weight_to_divide_by() -> None:
    assert all(
        math.isfinite(weight) for kind in ("bnpo", "dapo", "grpo") for weight in token_weights([0, 0], kind, 2, 5)
    )
