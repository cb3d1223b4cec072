"""Rollouts from an engine that cannot see the live weights: a fresh engine samples from a copy on disk.

The engine runs in a process of its own: there it may make process groups and settings to its liking, and all of its
memory is given back when the step goes on to train.
"""

import copy
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from torch import nn
from transformers import ProcessorMixin

from mmupt import sampling
from mmupt.config.sampling import RolloutConfig
from mmupt.sampling.protocol import SamplingParams
from mmupt.training.lifeline import die_with_parent
from mmupt.types import Prompt, Rollout

LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What tells a process that it is a rank; an engine must not take it for its own."""


def sample(
    model: nn.Module,
    processor: ProcessorMixin,
    settings: RolloutConfig,
    prompts: Sequence[Prompt],
    params: SamplingParams,
    seeds: Sequence[int],
) -> list[list[Rollout]]:
    """One group for each prompt, from the engine that `settings` name, with the weights of `model`."""
    with tempfile.TemporaryDirectory(prefix="mmupt-policy-") as scratch:
        _write(model, processor, Path(scratch))
        spawn = get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn, initializer=die_with_parent) as engine:
            return engine.submit(_sample_there, settings, scratch, prompts, params, seeds).result()


def _sample_there(
    settings: RolloutConfig, folder: str, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int]
) -> list[list[Rollout]]:
    for name in LAUNCHER:
        os.environ.pop(name, None)
    sampler = sampling.open_configured(settings, folder)
    try:
        return sampler.sample(prompts, params, seeds)
    finally:
        sampler.close()


def _write(model: nn.Module, processor: ProcessorMixin, folder: Path) -> None:
    """The policy as an ordinary model folder; adapters are added into a copy of the weights."""
    whole = copy.deepcopy(model).merge_and_unload() if hasattr(model, "merge_and_unload") else model
    whole.save_pretrained(folder)
    processor.save_pretrained(folder)
