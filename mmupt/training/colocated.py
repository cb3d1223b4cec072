"""One vLLM beside each rank: started once, in a process of its own, on the rank's own GPU.

It is given the current weights before each sampling. On a GPU it sleeps while the trainer updates, and has given back
its memory then; on a CPU vLLM cannot sleep. It dies with the trainer.
"""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

import torch

from mmupt.config.sampling import RolloutConfig
from mmupt.errors import MmuptError
from mmupt.sampling.loading import DTYPES
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.protocol import SamplingParams
from mmupt.training import engine_process
from mmupt.training.distributed import Ranks
from mmupt.training.engine import Engine
from mmupt.training.handover import dtype_of, handed_over
from mmupt.types import Prompt, Rollout

P = ParamSpec("P")
R = TypeVar("R")


class ColocatedVllm:
    """The engine of one rank. It starts when it is first asked; all ranks call its methods together."""

    def __init__(self, engine: Engine, ranks: Ranks, settings: RolloutConfig, model: str, device: torch.device) -> None:
        self._engine, self._ranks, self._settings, self._model = engine, ranks, settings, model
        self._on_gpu = device.type == "cuda"
        self._dtype = dtype_of(settings, device)
        self._process = ProcessPoolExecutor(
            1,
            mp_context=get_context("spawn"),
            initializer=engine_process.begin,
            initargs=(_own_gpu(device.index or 0) if self._on_gpu else {},),
        )
        self.process_id: int | None = None
        self._idle: Callable[[], bool] = lambda: True

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int], gallery: Gallery | None = None
    ) -> list[list[Rollout]]:
        """See `Source.sample`; the pictures are decoded in the engine's process."""
        if self._on_gpu:
            torch.cuda.empty_cache()  # what the trainer merely keeps is the engine's now
        if self.process_id is None:
            self.process_id = self._there(os.getpid)
            self._there(engine_process.open_engine, self._settings, self._model, self._dtype)
        with handed_over(self._engine, self._ranks, DTYPES[self._dtype]) as folder:
            self._there(engine_process.take_weights, str(folder))
        return self._there(engine_process.sample, prompts, params, seeds)

    def close(self) -> None:
        """End the process; in the midst of its work at once, since that is of no use to anybody."""
        if self.process_id is not None and not self._idle():
            with suppress(ProcessLookupError):
                os.kill(self.process_id, signal.SIGKILL)
        self._process.shutdown(cancel_futures=True)

    def _there(self, do: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        try:
            work = self._process.submit(do, *args, **named)
            self._idle = work.done
            return work.result()
        except BrokenProcessPool as error:
            raise MmuptError("vLLM's process ended by itself; its own words are above") from error


def _own_gpu(index: int) -> dict[str, str]:
    """The environment in which a process sees this GPU alone."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {"CUDA_VISIBLE_DEVICES": named.split(",")[index] if named else str(index)}
