"""One process, plain torch: AdamW over float32 weights.

The weights stay in float32 also where the forward pass runs in bfloat16 (autocast): a learning rate of 1e-6 would round
away in bfloat16.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from mmupt.config.train import UpdateConfig
from mmupt.training.policy import optimiser
from mmupt.training.whole_weights import Weights, whole_weights


class PlainEngine:
    """The `Engine` of a single process."""

    kind: Literal["plain", "deepspeed"] = "plain"
    zero_stage = 0

    def __init__(self, model: PreTrainedModel | PeftModel, settings: UpdateConfig) -> None:
        self.model: nn.Module = model
        self._policy = model
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimiser = optimiser(model, settings)
        self._max_norm = settings.max_grad_norm

    def backward(self, loss: Tensor, *, last: bool) -> None:
        loss.backward()

    def step(self, learning_rate: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self._trained, self._max_norm)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return float(norm)

    def save(self, folder: Path) -> None:
        self._policy.save_pretrained(folder)
        torch.save(self._optimiser.state_dict(), folder / "optimizer.pt")

    def load(self, folder: Path, saved_by: int = 1) -> None:
        if isinstance(self._policy, PeftModel):
            adapter = load_file(folder / "adapter_model.safetensors")
            differ = sorted(adapter.keys() ^ get_peft_model_state_dict(self._policy).keys())
            assert not differ, f"{folder} does not hold this adapter: {differ[:3]}"
            set_peft_model_state_dict(self._policy, adapter)
        else:
            # The names on disk differ from those in memory; only the model class maps one to the other, so load through
            # it, strictly.
            saved, report = type(self._policy).from_pretrained(
                folder, dtype=self._policy.dtype, output_loading_info=True
            )
            lost = sorted(report["missing_keys"]) + sorted(report["unexpected_keys"])
            assert not lost, f"{folder} does not hold this model: {lost[:3]}"
            self._policy.load_state_dict(saved.state_dict(), strict=True)
        state = torch.load(folder / "optimizer.pt", weights_only=True, map_location="cpu")
        self._optimiser.load_state_dict(state)

    def weights(self) -> Weights:
        return whole_weights(self._policy)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        yield self.model
