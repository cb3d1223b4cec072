"""`mmupt eval`: model + benchmark -> scores, with every response and verdict on disk."""

from typing import Annotated

import typer

from mmupt.cli.settings import DryRun, Engine, Model, Out, Recipe, Sets, resolve, show


def evaluate(
    recipe: Recipe = None,
    bench: Annotated[
        str | None, typer.Option(help="Benchmarks, or .py files of your own, a,b,c; `mmupt list benchmarks` shows all.")
    ] = None,
    model: Model = None,
    out: Out = None,
    data: Annotated[str | None, typer.Option(help="Local file or folder with the benchmark.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of the benchmark.")] = None,
    protocol: Annotated[str | None, typer.Option(help="How the model is asked, such as mm-upt.")] = None,
    ids: Annotated[str | None, typer.Option(help="Only these problems: a,b,c or a file, one id a line.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Samples for each question.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N questions, spread over its families.")] = None,
    engine: Engine = None,
    responses: Annotated[
        str | None, typer.Option(help="Score these responses (.jsonl: id, response) without a model.")
    ] = None,
    rescore: Annotated[str | None, typer.Option(help="Score what this run generated again.")] = None,
    judge: Annotated[str | None, typer.Option(help="boxed, official, or llm for a second opinion.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="The model that the judge llm asks.")] = None,
    sets: Sets = None,
    dry_run: DryRun = False,
) -> None:
    """Score a model, or responses that exist already, on benchmarks."""
    from mmupt.config.evaluate import EvaluateConfig

    flags = {
        "bench": bench,
        "model": model,
        "out": out,
        "data": data,
        "split": split,
        "protocol": protocol,
        "ids": ids,
        "samples": samples,
        "limit": limit,
        "rollout.engine": engine,
        "responses": responses,
        "rescore": rescore,
        "judge": judge,
        "judge_model": judge_model,
    }
    config = resolve(EvaluateConfig, recipe, flags, sets)
    if dry_run:
        show(config)
        return
    from mmupt.stages.evaluate import evaluate as work

    work(config)
