"""The policy before training: weights, what of them is trained, the optimiser, and the frozen reference of the KL
term."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig as PeftLora
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from mmupt.config.train import LoraConfig, UpdateConfig


def freeze_vision(model: PreTrainedModel) -> None:
    """Train the language model only."""
    for name, parameter in model.named_parameters():
        if ".visual." in f".{name}":
            parameter.requires_grad_(False)


def with_lora(model: PreTrainedModel, settings: LoraConfig, *, vision: bool, seed: int) -> PeftModel:
    """Adapters on the named linear layers; all other weights stay as they are. `vision`: adapt the vision tower as
    well."""
    torch.manual_seed(seed)
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and name.rpartition(".")[2] in settings.target_modules
        and (vision or ".visual." not in f".{name}")
    ]
    shape = PeftLora(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=0.0, target_modules=names, task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(model, shape)
    assert isinstance(adapted, PeftModel)
    for config in adapted.peft_config.values():
        # peft holds a set, which each process would write in an order of its own.
        config.target_modules = sorted(config.target_modules)
    return adapted.eval()


def optimiser(model: nn.Module, settings: UpdateConfig) -> torch.optim.AdamW:
    """AdamW over what is trained. Like EasyR1, biases and norms decay too."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        trained, lr=settings.learning_rate, betas=settings.betas, eps=1e-8, weight_decay=settings.weight_decay
    )


class Reference:
    """The policy as it was before training: a frozen copy, or with LoRA the same model without its adapter."""

    def __init__(self, model: PreTrainedModel | PeftModel) -> None:
        self._adapted = model if isinstance(model, PeftModel) else None
        self._frozen = None if self._adapted is not None else copy.deepcopy(model).requires_grad_(False)

    @contextmanager
    def model(self, live: nn.Module) -> Iterator[nn.Module]:
        """What to run forward for reference log-probs; `live` is the engine's model."""
        with torch.no_grad():
            if self._adapted is not None:
                with self._adapted.disable_adapter():
                    yield live
            else:
                assert self._frozen is not None
                yield self._frozen
