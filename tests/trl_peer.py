"""Stock trl 1.16 as the peer of our update: its GRPOTrainer around a model, and one group in the form of its
micro-batch, prompt and pictures repeated for each completion."""

from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import Dataset
from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer

from mmupt.problems.tiny import model_dir
from mmupt.training.scores import EncodedGroup, images_of, seen_by
from tests.training_parts import processor

TEMPERATURE = 0.7


def trl_trainer(model: PreTrainedModel, folder: Path, *, rows: int, batches: int, **settings: object) -> GRPOTrainer:
    """A trainer with MM-UPT's settings in trl's words: micro-batches of one group of `rows`, `batches` of them an
    update. Its rollouts and rewards are never asked for."""
    arguments = {
        "output_dir": str(folder),
        "bf16": False,
        "report_to": "none",
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": batches,
        "num_generations": rows,
        "max_completion_length": 32,
        "temperature": TEMPERATURE,
        "loss_type": "bnpo",
        "scale_rewards": "group",
        "epsilon": 0.2,
        "epsilon_high": 0.3,
        "delta": 3.0,
        "beta": 0.0,
        "use_bias_correction_kl": False,
        "gradient_checkpointing": False,
        "learning_rate": 1e-6,
        "weight_decay": 0.01,
    }
    # trl loads a reference of its own by this name; the inputs overrule it.
    model.config._name_or_path = str(model_dir())
    asked = Dataset.from_list([{"prompt": "How many?"}] * (rows * batches))
    trainer = GRPOTrainer(model, _no_reward, GRPOConfig(**(arguments | settings)), asked, processing_class=processor())
    trainer.current_gradient_accumulation_steps = batches
    trainer.model.train()  # or trl does not divide by the accumulation steps
    return trainer


def _no_reward(completions: list[object], **_: object) -> list[float]:
    return [0.0] * len(completions)


def trl_inputs(
    group: EncodedGroup,
    advantages_G: Sequence[float],
    image_token: int,
    old_N: torch.Tensor | None = None,
    ref_N: torch.Tensor | None = None,
    device: str = "cpu",
) -> dict[str, torch.Tensor | list[int]]:
    """One group as trl lays out a micro-batch. Without `old_N` trl takes the current log-probs for the old ones."""
    rows = len(group.completions_G_T)
    prompt = group.prompt_ids.to(device).repeat(rows, 1)
    longest = max(map(len, group.completions_G_T))
    completions, mask = torch.zeros(2, rows, longest, dtype=torch.long, device=device)
    for row, tokens in enumerate(group.completions_G_T):
        completions[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), 1
    seen = seen_by([group], torch.device(device))
    count = 0 if seen[0] is None else len(seen[0].grid)
    inputs = {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": completions,
        "completion_mask": mask,
        "mm_token_type_ids": (torch.cat([prompt, completions], dim=1) == image_token).int(),
        "num_images": [count] * rows,
        "advantages": torch.tensor(advantages_G, device=device),
        **images_of(seen, [rows]),
    }
    for name, flat in (("old_per_token_logps", old_N), ("ref_per_token_logps", ref_N)):
        if flat is not None:
            inputs[name] = padded(flat, mask)
    return inputs


def padded(flat_N: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A flat vector of token values in trl's shape: a row for each completion, zeros behind its end."""
    full = flat_N.new_zeros(mask.shape)
    full[mask.bool()] = flat_N
    return full
