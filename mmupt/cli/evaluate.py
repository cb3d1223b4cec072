"""`mmupt eval`: model + benchmark -> scores, with every response and verdict on disk."""

from typing import Annotated

import typer

from mmupt.cli.settings import DryRun, Recipe, Sets, resolve, show


def evaluate(
    recipe: Recipe = None,
    bench: Annotated[
        str | None, typer.Option(help="Benchmark, such as tiny; `mmupt list benchmarks` shows all.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model folder or hub name; tiny is the embedded one.")] = None,
    out: Annotated[str | None, typer.Option(help="Run folder to make or to go on with.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Samples for each question.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N questions, spread over its families.")] = None,
    engine: Annotated[str | None, typer.Option(help="auto, transformers, vllm or scripted.")] = None,
    sets: Sets = None,
    dry_run: DryRun = False,
) -> None:
    """Score a model on a benchmark."""
    from mmupt.config.evaluate import EvaluateConfig

    flags = {
        "bench": bench,
        "model": model,
        "out": out,
        "samples": samples,
        "limit": limit,
        "rollout.engine": engine,
    }
    config = resolve(EvaluateConfig, recipe, flags, sets)
    if dry_run:
        show(config)
        return
    from mmupt.stages.evaluate import evaluate as work

    work(config)
