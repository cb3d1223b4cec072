"""DeepSpeed's engine, ZeRO-1, 2 or 3, on CUDA or on the CPU over gloo.

On the CPU two of its parts are left out: the shared-memory operator, which compiles for over a minute, and its own
Adam, which compiles too. DeepSpeed has been seen to step aside in silence there; so the engine's class and the world it
sees are asserted.
"""

import copy
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import deepspeed
import deepspeed.ops
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from mmupt.config.train import UpdateConfig
from mmupt.training.checkpoint import DEEPSPEED_TAG
from mmupt.training.distributed import Ranks
from mmupt.training.policy import optimiser
from mmupt.training.reshard import resharded
from mmupt.training.whole_weights import Weights, whole_weights

if not torch.cuda.is_available():
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


LARGEST_BUCKET = 500_000_000
"""Elements; DeepSpeed's own default."""


class DeepSpeedEngine:
    """The `Engine` of one or several ranks that share optimiser state, gradients (ZeRO-2) and weights (ZeRO-3)."""

    kind: Literal["plain", "deepspeed"] = "deepspeed"

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        settings: UpdateConfig,
        ranks: Ranks,
        stage: int,
        *,
        sampled_here: bool = True,
    ) -> None:
        """`sampled_here`: whether `whole` will be called."""
        logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
        warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
        os.environ.setdefault("LOCAL_RANK", "0")  # it asks for a launcher's variable in a run of one process, too
        self.zero_stage = stage
        self._ranks = ranks
        # Sampling from partitioned weights would gather them once for each token: sample from a copy that is refreshed
        # instead.
        self._copy = copy.deepcopy(model) if stage == 3 and sampled_here else None
        self._engine, *_ = deepspeed.initialize(
            model=model, optimizer=optimiser(model, settings), config=_config(settings, model, stage, ranks.size)
        )
        assert isinstance(self._engine, deepspeed.DeepSpeedEngine), f"DeepSpeed gave a {type(self._engine).__name__}"
        seen = (self._engine.global_rank, self._engine.world_size, self._engine.zero_optimization_stage())
        assert seen == (ranks.rank, ranks.size, stage), f"DeepSpeed sees (rank, world, stage) = {seen}"

    @property
    def model(self) -> nn.Module:
        engine: nn.Module = self._engine
        return engine

    def backward(self, loss: Tensor, *, last: bool) -> None:
        self._engine.set_gradient_accumulation_boundary(last)
        # DeepSpeed averages gradients over ranks; the loss is a sum over ranks.
        self._engine.backward(loss * self._ranks.size)

    def step(self, learning_rate: float) -> float:
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()
        norm = self._engine.get_global_grad_norm()
        return 0.0 if norm is None else float(norm)

    def save(self, folder: Path) -> None:
        self._engine.save_checkpoint(str(folder), tag=DEEPSPEED_TAG)
        if self._ranks.first:
            module = self._engine.module
            if isinstance(module, PeftModel):
                for adapter in module.peft_config.values():
                    adapter.save_pretrained(str(folder))
            module.config.save_pretrained(str(folder))
            module.generation_config.save_pretrained(str(folder))

    def load(self, folder: Path, saved_by: int) -> None:
        if saved_by == self._ranks.size:
            self._load(folder)
            return
        with resharded(folder, saved_by, self._ranks) as aside:
            self._engine._config.load_universal_checkpoint = True
            self._load(aside)
            self._engine._config.load_universal_checkpoint = False

    def _load(self, folder: Path) -> None:
        loaded, _ = self._engine.load_checkpoint(str(folder), tag=DEEPSPEED_TAG)
        assert loaded is not None, f"DeepSpeed loaded nothing from {folder}"

    def weights(self) -> Weights:
        if self.zero_stage == 3:
            return whole_weights(self._engine.module, lambda parted: deepspeed.zero.GatheredParameters(list(parted)))
        return whole_weights(self._engine.module)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        if self._copy is None:
            assert self.zero_stage < 3, "no copy was asked for"
            yield self._engine.module
            return
        live, still = list(self._engine.module.parameters()), list(self._copy.parameters())
        with deepspeed.zero.GatheredParameters(live), torch.no_grad():
            for source, target in zip(live, still, strict=True):
                target.copy_(source)
        yield self._copy


def _config(settings: UpdateConfig, model: PreTrainedModel | PeftModel, stage: int, ranks: int) -> dict[str, object]:
    """Accumulation is steered by hand (`set_gradient_accumulation_boundary`), because the number of packs differs
    between updates."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    # Buckets are allocated whole and anew: at their default of 2 GB a step of a small model takes seconds on the CPU.
    bucket = min(LARGEST_BUCKET, trained)
    return {
        "train_batch_size": ranks,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.max_grad_norm,
        "bf16": {"enabled": model.dtype == torch.bfloat16},
        "zero_optimization": {
            "stage": stage,
            "overlap_comm": False,
            "reduce_bucket_size": bucket,
            "allgather_bucket_size": bucket,
        },
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }
