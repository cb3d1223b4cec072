"""On the same rollouts, log-probs, loss and gradient are those of trl 1.16's GRPOTrainer, with MM-UPT's settings in
trl's words."""

from functools import partial
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from mmupt.config.train import LoraConfig, UpdateConfig
from mmupt.training import shared_prefix
from mmupt.training.distributed import Ranks
from mmupt.training.policy import Reference, with_lora
from mmupt.training.update import TrainGroup, Updater
from tests.gradient_keeper import GradientKeeper
from tests.training_parts import gradient, random_groups, relative, untrained
from tests.trl_peer import TEMPERATURE, trl_inputs, trl_trainer

SHAPES = [(1, (7, 1, 19, 4)), (2, (3, 11, 2, 6)), (1, (5, 5, 5, 5))]
ADVANTAGES = [(0.5, 0.5, -1.5, 0.5), (-0.5, 1.5, -0.5, -0.5), (1.0, -1.0, 1.0, -1.0)]


def adapted(model: PreTrainedModel) -> PeftModel:
    model = with_lora(model, LoraConfig(rank=4, alpha=8), vision=True, seed=0)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@torch.no_grad()
def off_policy(model: torch.nn.Module) -> list[TrainGroup]:
    """Groups whose old log-probs lie on both sides of each clip."""
    torch.manual_seed(2)
    groups = random_groups(SHAPES)
    now = [shared_prefix.score(model, [group], TEMPERATURE).logps_N for group in groups]
    old = [logps + 0.5 * torch.randn(len(logps)) for logps in now]
    return [TrainGroup(*each[:2], None, each[2]) for each in zip(groups, ADVANTAGES, old, strict=True)]


@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize(
    ("loss_type", "beta", "pack_tokens", "checkpointing"),
    [
        ("bnpo", 0.0, 4096, False),
        ("bnpo", 0.01, 4096, True),
        ("bnpo", 0.01, 1, False),
        ("grpo", 0.0, 1, True),
        ("dr_grpo", 0.01, 4096, False),
    ],
)
def test_loss_and_gradient_are_those_of_trl(
    tmp_path: Path, loss_type: str, beta: float, pack_tokens: int, checkpointing: bool, adapter: bool
) -> None:
    """One or all groups in a pack, one and two pictures, ragged completions, with and without KL."""
    model = adapted(untrained()) if adapter else untrained()
    reference = Reference(model if adapter else untrained(seed=9))
    groups = off_policy(model)
    trainer = trl_trainer(model, tmp_path, rows=4, batches=3, use_cpu=True, loss_type=loss_type, beta=beta)
    image_token = untrained().config.image_token_id
    model.zero_grad()
    wanted_loss = 0.0
    for group in groups:
        with reference.model(model) as other:
            ref_N = shared_prefix.score(other, [group.encoded], TEMPERATURE).logps_N
        loss = trainer._compute_loss(
            model, trl_inputs(group.encoded, group.advantages_G, image_token, group.old_N, ref_N)
        )
        loss.backward()
        wanted_loss += loss.item()
    wanted = gradient(model)

    model.zero_grad()
    settings = UpdateConfig(loss_type=loss_type, kl_coefficient=beta, micro_batch_size=4, pack_tokens=pack_tokens)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
    engine = GradientKeeper(model, settings)
    off = partial(torch.autocast, "cpu", enabled=False)
    updater = Updater(
        engine, Ranks(0, 1), shared_prefix.score, settings, TEMPERATURE, 32, off, reference if beta else None
    )
    result = updater(groups, 1e-6)
    assert result.sums.loss == pytest.approx(wanted_loss, rel=1e-4, abs=1e-6)
    assert result.sums.clipped > 0
    assert relative(engine.found, wanted) < 1e-4


def test_log_probs_and_entropies_are_those_of_trl(tmp_path: Path) -> None:
    model = untrained()
    group = off_policy(model)[0]
    trainer = trl_trainer(model, tmp_path, rows=4, batches=1, use_cpu=True)
    assert group.old_N is not None
    inputs = trl_inputs(group.encoded, group.advantages_G, model.config.image_token_id, group.old_N)
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    extra = {name: inputs[name] for name in ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")}
    peer, entropy, _ = trainer._get_per_token_logps_and_entropies(
        model, ids, mask, inputs["completion_ids"].size(1), compute_entropy=True, **extra
    )
    scores = shared_prefix.score(model, [group.encoded], TEMPERATURE)
    chosen = inputs["completion_mask"].bool()
    assert float((scores.logps_N - peer[chosen]).detach().abs().max()) < 1e-4
    assert scores.statistics is not None
    assert relative(scores.statistics.entropies_N, entropy[chosen]) < 1e-4
