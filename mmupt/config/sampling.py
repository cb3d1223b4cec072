"""How completions are sampled: the settings that synthesize, train and evaluate share."""

from typing import ClassVar

from mmupt.config.section import Section
from mmupt.errors import UserError

SAMPLING_FIELDS = frozenset({"engine", "temperature", "top_p", "max_tokens"})
"""What is said with each request; all other fields are said once, when an engine starts."""

WHERE = frozenset({"engines", "ray", "base_url", "api_key_env", "timeout", "retries", "weights_folder"})
"""Where completions are sampled and how that place is reached."""

MEMORY = frozenset({"batch_size", "tensor_parallel_size", "gpu_memory_utilization"})
"""What an engine may take. Both change completions by rounding at most."""

ELSEWHERE = frozenset({"openai", "scripted"})
"""Engines whose model is not a folder of this machine's or a name on the hub."""


class RolloutConfig(Section):
    """The defaults are MM-UPT's rollouts; a stage with other defaults says so in a subclass."""

    engine: str = "auto"
    """auto, vllm, transformers, openai (a running server) or scripted; auto takes vLLM on a GPU, and on a CPU what is
    fastest for the model."""
    temperature: float = 0.7
    """0 is greedy."""
    top_p: float = 0.99
    """Tokens are drawn from the smallest set of most likely tokens that holds at least this much probability."""
    max_tokens: int = 2048
    """Longest completion; a longer one is cut there, and abstains."""
    min_pixels: int | None = None
    """Smaller pictures are enlarged to this many pixels; without it the model's own processor decides."""
    max_pixels: int | None = None
    """Larger pictures are shrunk to this many pixels; without it the model's own processor decides."""
    batch_size: int | None = None
    """Completions decoded at once (transformers) or in flight at once (vllm, openai): it bounds the memory."""
    dtype: str | None = None
    """float32, bfloat16 or float16; without it bfloat16 on a GPU and float32 on a CPU."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run."""
    tensor_parallel_size: int | None = None
    """vllm: GPUs that hold one copy of the model together."""
    gpu_memory_utilization: float | None = None
    """vllm: share of a GPU's memory that the engine takes, weights and cache together; without it vLLM's own choice,
    and 0.5 beside a trainer."""
    engines: int = 1
    """transformers and vllm: engines side by side, each in a process with GPUs of its own. Not for training."""
    ray: str | None = None
    """Start these engines in a Ray cluster instead: its address, or auto for the one that this machine has joined."""
    max_model_len: int | None = None
    """vllm: longest prompt and completion together; without it what the model was made for."""
    base_url: str | None = None
    """openai: address of the server; without it http://localhost:8000/v1. In training with vllm: a vLLM server that
    samples, and is given the weights of each step."""
    weights_folder: str | None = None
    """Training with a vLLM server on another machine: a folder that both see, through which the weights go."""
    api_key_env: str | None = None
    """openai: environment variable that holds the key; without it OPENAI_API_KEY, where that is set."""
    timeout: float | None = None
    """openai: seconds that one answer may take; without it 1,800."""
    retries: int | None = None
    """openai: how often a request is tried again after a lost connection, 429 or 5xx; without it 6."""

    free: ClassVar[frozenset[str]] = WHERE | MEMORY

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise UserError(f"temperature = {self.temperature} is negative", fix="use 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p = {self.top_p} is no share", fix="use a number above 0 and up to 1")
        if self.max_tokens < 1:
            raise UserError(f"max_tokens = {self.max_tokens} leaves no room for an answer", fix="use at least 1")
        if self.engines < 1:
            raise UserError(f"engines = {self.engines} leaves nobody to sample", fix="use 1 or more")
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise UserError("min_pixels is larger than max_pixels", fix="exchange them")

    @property
    def side_by_side(self) -> bool:
        """Whether engines run in processes of their own."""
        return self.engines > 1 or self.ray is not None

    def options(self) -> dict[str, str | int | float | bool | None]:
        """What the engine is started with, beside the model; None leaves it to the engine."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name not in SAMPLING_FIELDS}
