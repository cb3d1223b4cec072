"""`mmupt merge`: a checkpoint of any shape -> one Hugging Face model folder."""

from pathlib import Path
from typing import Annotated

import typer

from mmupt.cli.settings import DryRun, Sets, resolve, show


def merge(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CHECKPOINT | RECIPE.toml]", show_default=False, help="A run or checkpoint folder, or settings."
        ),
    ] = None,
    out: Annotated[str | None, typer.Option(help="Model folder to make.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")] = None,
    base: Annotated[str | None, typer.Option(help="Model that the checkpoint was trained from.")] = None,
    compare: Annotated[str | None, typer.Option(metavar="MODEL", help="Print how far the result is from it.")] = None,
    push_to_hub: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Upload the result to the hub.")] = None,
    sets: Sets = None,
    dry_run: DryRun = False,
) -> None:
    """Merge a checkpoint into one model folder that transformers and vLLM load."""
    from mmupt.config.merge import MergeConfig

    recipe = checkpoint if checkpoint is not None and checkpoint.suffix == ".toml" else None
    source = str(checkpoint) if checkpoint is not None and recipe is None else None
    flags = {"checkpoint": source, "out": out, "dtype": dtype, "base": base}
    config = resolve(MergeConfig, recipe, {**flags, "compare": compare, "push_to_hub": push_to_hub}, sets)
    if dry_run:
        show(config)
        return
    from mmupt.merging.memory import keep_freed_memory
    from mmupt.stages.merge import merge as work

    keep_freed_memory()
    work(config)
