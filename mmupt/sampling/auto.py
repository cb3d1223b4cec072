"""The engine that suits the machine and the model: the engine `auto`.

On a GPU: vLLM, where it is installed. On a CPU: transformers for a model below LARGE parameters, and for any model
where vLLM is not installed; vLLM for a large one. Measured with n = 8 on one busy CPU core (tests/bench/rollout.py),
tokens/s of our decoding loop and of vLLM: 4,661 and 602 with 1.7 M parameters, 781 and 555 with 19 M, 72 and 32 with
82 M.
"""

from importlib.util import find_spec

from mmupt import sampling
from mmupt.sampling.loading import default_device
from mmupt.sampling.models import resolve_model
from mmupt.sampling.protocol import Sampler
from mmupt.sampling.size import count_parameters

LARGE = 100_000_000
"""Parameters above which nothing was measured on a CPU; a model of unknown size counts as large."""


def choose(model: str) -> str:
    """The engine's name."""
    if find_spec("vllm") is None:
        return "transformers"
    parameters = count_parameters(resolve_model(model))
    small = parameters is not None and parameters < LARGE
    return "transformers" if small and default_device() == "cpu" else "vllm"


def connect(
    model: str,
    *,
    batch_size: int | None = None,
    dtype: str | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    trust_remote_code: bool = False,
    tensor_parallel_size: int | None = None,
    gpu_memory_utilization: float | None = None,
    max_model_len: int | None = None,
) -> Sampler:
    """Start the chosen engine; what only vLLM knows is left out where transformers is chosen."""
    engine = choose(model)
    shared = {"batch_size": batch_size, "dtype": dtype, "min_pixels": min_pixels, "max_pixels": max_pixels}
    only_vllm = {
        "tensor_parallel_size": tensor_parallel_size,
        "gpu_memory_utilization": gpu_memory_utilization,
        "max_model_len": max_model_len,
    }
    options = shared | (only_vllm if engine == "vllm" else {})
    return sampling.open(engine, model, trust_remote_code=trust_remote_code, **options)
