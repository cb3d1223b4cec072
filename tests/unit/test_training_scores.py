"""Logits are made chunk by chunk, and again for the gradient: the numbers are those of all logits at once."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from mmupt.config.train import LoraConfig, UpdateConfig
from mmupt.training import scores, shared_prefix
from mmupt.training.distributed import Ranks, start
from mmupt.training.engine import Engine
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.policy import with_lora
from mmupt.training.scores import Statistics, token_scores
from mmupt.training.update import TrainGroup, Updater
from tests.forked_ranks import on_ranks
from tests.training_parts import gradient, random_groups, relative, untrained

TOKENS, WIDTH, VOCABULARY = 23, 16, 101


class Counting(nn.Linear):
    """A head that notes how many tokens it was asked about at a time."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        vars(self).setdefault("asked", []).append(len(states))
        return super().forward(states)


def scored(at_once: int, monkeypatch: pytest.MonkeyPatch) -> tuple[scores.TokenScores, list[torch.Tensor], list[int]]:
    """Scores, gradients of head and states, and the sizes of the head's inputs."""
    monkeypatch.setattr(scores, "LOGITS_AT_ONCE", at_once * VOCABULARY)
    torch.manual_seed(0)
    head, states = Counting(WIDTH, VOCABULARY), torch.randn(TOKENS, WIDTH, requires_grad=True)
    found = token_scores(head, states, torch.randint(VOCABULARY, (TOKENS,)), 0.7, VOCABULARY)
    (found.logps_N * torch.linspace(-1, 1, TOKENS)).sum().backward()
    assert states.grad is not None and head.weight.grad is not None
    return found, [states.grad, head.weight.grad], vars(head)["asked"]


@pytest.mark.parametrize("at_once", [1, 5, 22])
def test_chunks_change_memory_and_not_the_numbers(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, wanted, once = scored(TOKENS, monkeypatch)
    found, gradients, asked = scored(at_once, monkeypatch)
    assert once == [TOKENS]
    assert max(asked) == at_once and sum(asked) == 2 * TOKENS
    assert relative(found.logps_N, whole.logps_N) < 1e-6
    assert isinstance(found.statistics, Statistics) and isinstance(whole.statistics, Statistics)
    for name, values in vars(found.statistics).items():
        assert relative(values, getattr(whole.statistics, name)) < 1e-6
    assert all(relative(*pair) < 1e-6 for pair in zip(gradients, wanted, strict=True))


def test_without_a_gradient_each_chunk_is_made_once_and_statistics_only_when_asked_for() -> None:
    head = Counting(WIDTH, VOCABULARY)
    with torch.no_grad():
        states, targets = torch.randn(TOKENS, WIDTH), torch.zeros(TOKENS, dtype=torch.long)
        found = token_scores(head, states, targets, 1.0, VOCABULARY, statistics=False)
    assert found.statistics is None
    assert vars(head)["asked"] == [TOKENS]


@pytest.mark.parametrize("lora", [False, True])
def test_the_whole_model_gives_the_same_gradient_in_chunks(lora: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, groups = untrained(), random_groups([(1, (7, 1, 9)), (1, (4, 4, 4))])
    if lora:
        adapted = LoraConfig(rank=4, alpha=8, target_modules=("q_proj", "lm_head"))
        model = with_lora(model, adapted, vision=False, seed=0)
    found = []
    for tokens in (10_000, 4):
        monkeypatch.setattr(scores, "LOGITS_AT_ONCE", tokens * 768)
        model.zero_grad()
        logps = shared_prefix.score(model, groups, 0.7).logps_N
        (logps * torch.linspace(-1, 1, len(logps))).sum().backward()
        found.append(gradient(model))
    assert relative(found[1], found[0]) < 1e-5


def test_zero_3_gathers_the_head_for_every_chunk_of_both_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ranks with partitioned weights find the gradient that they and one process find with all logits at once."""
    groups, advantages = random_groups([(1, (7, 1, 9)), (1, (4, 4, 4))]), [(0.5, 0.5, -1.0), (-1.0, 1.0, 0.0)]
    settings = UpdateConfig(kl_coefficient=0.0, micro_batch_size=2, pack_tokens=1)
    train = [TrainGroup(*pair, None) for pair in zip(groups, advantages, strict=True)]
    off = partial(torch.autocast, "cpu", enabled=False)

    def norm(engine: Engine, ranks: Ranks) -> float:
        return Updater(engine, ranks, shared_prefix.score, settings, 0.7, 12, off)(train, 1e-4).grad_norm

    def model() -> nn.Module:
        made = untrained()
        made.resize_token_embeddings(1024)  # DeepSpeed leaves weights of less than 100,000 numbers whole
        return made

    wanted = norm(PlainEngine(model(), settings), Ranks(0, 1))
    wide = scores.LOGITS_AT_ONCE

    def work(rank: int) -> None:
        from mmupt.training.engine_deepspeed import DeepSpeedEngine

        ranks = start(torch.device("cpu"), deepspeed=True)
        found = []
        for at_once in (wide, 4 * 1024):
            monkeypatch.setattr(scores, "LOGITS_AT_ONCE", at_once)
            engine = DeepSpeedEngine(model(), settings, ranks, 3)
            assert engine.model.module.lm_head.weight.numel() == 0
            found.append(norm(engine, ranks))
        assert found[1] == pytest.approx(found[0], rel=1e-5)
        assert found[0] == pytest.approx(wanted, rel=1e-3)

    assert on_ranks(2, work)
