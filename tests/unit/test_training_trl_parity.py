"""On the same rollouts, log-probs, loss and gradient are those of trl 1.16's GRPOTrainer, with MM-UPT's settings in
trl's words."""

from functools import partial
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer

from mmupt.config.train import LoraConfig, UpdateConfig
from mmupt.problems.tiny import model_dir
from mmupt.training import shared_prefix
from mmupt.training.distributed import Ranks
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.policy import Reference, with_lora
from mmupt.training.scores import images_of
from mmupt.training.update import TrainGroup, Updater
from tests.training_parts import gradient, processor, random_groups, relative, untrained

TEMPERATURE = 0.7
SHAPES = [(1, (7, 1, 19, 4)), (2, (3, 11, 2, 6)), (1, (5, 5, 5, 5))]
ADVANTAGES = [(0.5, 0.5, -1.5, 0.5), (-0.5, 1.5, -0.5, -0.5), (1.0, -1.0, 1.0, -1.0)]


def trl_trainer(model: PreTrainedModel, folder: Path, loss_type: str, beta: float) -> GRPOTrainer:
    arguments = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        report_to="none",
        per_device_train_batch_size=4,
        gradient_accumulation_steps=3,
        num_generations=4,
        max_completion_length=32,
        temperature=TEMPERATURE,
        loss_type=loss_type,
        scale_rewards="group",
        epsilon=0.2,
        epsilon_high=0.3,
        delta=3.0,
        beta=beta,
        use_bias_correction_kl=False,
        gradient_checkpointing=False,
    )
    model.config._name_or_path = str(
        model_dir()
    )  # trl loads a reference of its own by this name; the inputs overrule it
    rows = Dataset.from_list([{"prompt": "How many?"}] * 12)
    trainer = GRPOTrainer(
        model, lambda completions, **_: [0.0] * len(completions), arguments, rows, processing_class=processor()
    )
    trainer.current_gradient_accumulation_steps = 3
    trainer.model.train()  # or trl does not divide by the accumulation steps
    return trainer


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


def trl_inputs(scored: TrainGroup, ref_N: torch.Tensor) -> dict[str, torch.Tensor | list[int]]:
    """One group as trl lays out a micro-batch: prompt and pictures repeated for each completion."""
    group = scored.encoded
    assert scored.old_N is not None
    rows, prompt = len(group.completions_G_T), group.prompt_ids.repeat(len(group.completions_G_T), 1)
    longest = max(map(len, group.completions_G_T))
    completions, mask = torch.zeros(rows, longest, dtype=torch.long), torch.zeros(rows, longest, dtype=torch.long)
    for row, tokens in enumerate(group.completions_G_T):
        completions[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), 1
    kinds = (torch.cat([prompt, completions], dim=1) == untrained().config.image_token_id).int()
    count = 0 if group.image_grid_thw is None else len(group.image_grid_thw)
    return {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": completions,
        "completion_mask": mask,
        "mm_token_type_ids": kinds,
        "num_images": [count] * rows,
        "advantages": torch.tensor(scored.advantages_G),
        "old_per_token_logps": padded(scored.old_N, mask),
        "ref_per_token_logps": padded(ref_N, mask),
        **images_of([group], [rows]),
    }


def padded(flat_N: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    full = torch.zeros(mask.shape)
    full[mask.bool()] = flat_N
    return full


class GradientKeeper(PlainEngine):
    """The plain engine, which keeps the gradient where it would take its step."""

    def step(self, learning_rate: float) -> float:
        self.found = gradient(self.model)
        return 0.0


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize(("loss_type", "beta"), [("bnpo", 0.0), ("bnpo", 0.01), ("grpo", 0.0), ("dr_grpo", 0.01)])
def test_loss_and_gradient_are_those_of_trl(tmp_path: Path, loss_type: str, beta: float, adapter: bool) -> None:
    model = adapted(untrained()) if adapter else untrained()
    reference = Reference(model if adapter else untrained(seed=9))
    groups = off_policy(model)
    trainer = trl_trainer(model, tmp_path, loss_type, beta)
    model.zero_grad()
    wanted_loss = 0.0
    for group in groups:
        with reference.model(model) as other:
            ref_N = shared_prefix.score(other, [group.encoded], TEMPERATURE).logps_N
        loss = trainer._compute_loss(model, trl_inputs(group, ref_N))
        loss.backward()
        wanted_loss += loss.item()
    wanted = gradient(model)

    model.zero_grad()
    settings = UpdateConfig(loss_type=loss_type, kl_coefficient=beta, micro_batch_size=4)
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
    trainer = trl_trainer(model, tmp_path, "bnpo", 0.0)
    assert group.old_N is not None
    inputs = trl_inputs(group, group.old_N)
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    extra = {name: inputs[name] for name in ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")}
    peer, entropy, _ = trainer._get_per_token_logps_and_entropies(
        model, ids, mask, inputs["completion_ids"].size(1), compute_entropy=True, **extra
    )
    scores = shared_prefix.score(model, [group.encoded], TEMPERATURE)
    chosen = inputs["completion_mask"].bool()
    assert relative(scores.logps_N, peer[chosen]) < 1e-4
    assert relative(scores.entropies_N, entropy[chosen]) < 1e-4
