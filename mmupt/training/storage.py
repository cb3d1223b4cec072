"""Settings and numbers of weights -> bytes in host memory and on disk. The formats are those of `checkpoint`; their
sizes are compared with real checkpoints in tests/smoke/test_footprint_held.py."""

from mmupt.config.train import TrainConfig
from mmupt.training.footprint import Part, Weights
from mmupt.training.geometry import Geometry, Length

BYTES_OF_A_PIXEL = 3
LIBRARIES = 470_000_000
"""Resident memory of a rank that has imported everything and holds nothing: measured on a CPU; CUDA's own comes on
top."""
FILE = 1 << 30
"""Weights that are written for vLLM at a time (`whole_weights.FILE_BYTES`)."""


def checkpoint_bytes(config: TrainConfig, weights: Weights) -> int:
    """One checkpoint, the processor's few files apart."""
    base = weights.all - weights.adapters
    if config.deepspeed == "none":
        return (4 * weights.adapters if config.lora else 4 * base) + 8 * weights.trained
    optimiser = 12 * weights.trained
    if config.deepspeed == "zero3":
        return optimiser + weights.held * (weights.all - weights.trained)
    return optimiser + weights.held * weights.all


def checkpoints_kept(config: TrainConfig, run: Length) -> int | None:
    """Most checkpoints at a time, the one being written included; None where it depends on the number of problems."""
    written = None if run.steps is None else -(-run.steps // config.save.every)
    if config.save.total_limit is None:
        return written
    # With a limit of one the last good one may stay beside the newest.
    kept = max(2, config.save.total_limit) + 1
    return kept if written is None else min(kept, written)


def on_host(
    config: TrainConfig, weights: Weights, step: Geometry, ranks: int, *, on_gpu: bool, vllm: bool
) -> list[Part]:
    """Memory of the machine beside the GPUs', the largest things that stand there at some time. One picture is counted
    for each problem, of the largest size."""
    largest = config.rollout.max_pixels or 0
    pictures = BYTES_OF_A_PIXEL * largest * step.prompts_per_rank * ranks
    parts = [Part("libraries", LIBRARIES * ranks, f"{LIBRARIES / 1e6:.0f} MB x {ranks} processes, without CUDA's")]
    if largest:
        how = f"{step.prompts_per_rank * ranks} of {largest:,} pixels x {BYTES_OF_A_PIXEL} bytes, decoded once a step"
        parts.append(Part("pictures of a step", pictures, how))
    if on_gpu:
        loaded = weights.held * (weights.all - weights.adapters)
        parts.append(
            Part(
                "weights while they are loaded", loaded * ranks, f"{loaded / 1e9:.1f} GB x {ranks} ranks, at the start"
            )
        )
    if on_gpu and vllm:
        handed = 2 * (weights.all - weights.adapters)
        parts.append(
            Part("weights on their way to vLLM", handed + FILE, "a copy in shared memory, and 1 GiB to write it")
        )
    if config.deepspeed != "none":
        parts.append(Part("a checkpoint being written", 4 * weights.trained, "one tensor of each rank at a time"))
    return parts
