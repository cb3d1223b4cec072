"""vLLM in a process of its own: what runs there. `colocated` starts it and calls these functions, one at a time.

No ML library is imported before `begin` has set which GPU is seen.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mmupt.config.sampling import RolloutConfig
from mmupt.lifeline import die_with_parent
from mmupt.sampling.protocol import SamplingParams
from mmupt.types import Prompt, Rollout

if TYPE_CHECKING:
    from mmupt.sampling.vllm_engine import VllmSampler

LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
TORCHRUN = "TORCHELASTIC_"
"""What tells a process that it is a rank, and of whose store: an engine must not take it for its own."""

_running: "list[VllmSampler]" = []
"""The one engine of this process, once it is open."""


def begin(environment: Mapping[str, str]) -> None:
    """The first thing that the process does."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the trainer ends us
    for name in [each for each in os.environ if each in LAUNCHER or each.startswith(TORCHRUN)]:
        del os.environ[name]
    os.environ.update(environment)


def open_engine(settings: RolloutConfig, model: str, dtype: str) -> None:
    """Start the engine with the base model's weights."""
    from torch._dynamo import config as compiler

    from mmupt.sampling import loading, vllm

    # On a CPU vLLM is told to be eager; what it compiles all the same takes seconds, and then counts ranks of tokens.
    compiler.disable = loading.default_device() == "cpu"
    engine = vllm.connect(
        model,
        batch_size=settings.batch_size,
        dtype=dtype,
        min_pixels=settings.min_pixels,
        max_pixels=settings.max_pixels,
        trust_remote_code=settings.trust_remote_code,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        max_model_len=settings.max_model_len,
        beside_trainer=True,
    )
    _running.append(engine)


def take_weights(folder: str) -> None:
    """Wake the engine and give it the weights of the folder."""
    _running[0].take_weights(folder)


def sample(prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int]) -> list[list[Rollout]]:
    """Whole groups; afterwards the engine sleeps."""
    groups = _running[0].sample(prompts, params, seeds)
    _running[0].sleep()
    return groups
