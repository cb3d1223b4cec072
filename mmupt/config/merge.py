"""Settings of `mmupt merge`."""

from pathlib import Path
from typing import Literal

from mmupt.config.section import Section


class MergeConfig(Section):
    checkpoint: Path
    """A checkpoint folder (`checkpoints/step-N`), or a run or checkpoints folder, whose newest step is taken."""
    out: Path | None = None
    """The model folder to write; by default `merged/step-N` in the run, or `<checkpoint>-merged` without a run."""
    base: str | None = None
    """The model that the checkpoint was trained from, where the checkpoint does not tell it or it has moved."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the written weights; auto is the one that the checkpoint's config.json tells."""
    shard_gb: float = 4.0
    """Largest size of one safetensors file, in 10^9 bytes."""

    compare: str | None = None
    """A model (folder or hub id) whose weights are compared with the merged ones; for a small one also what it says."""
    push_to_hub: str | None = None
    """Repository on the Hugging Face hub (OWNER/NAME) that the folder is pushed to; made private where it is new."""

    def __post_init__(self) -> None:
        if self.shard_gb <= 0:
            raise ValueError("shard_gb must be above 0")
