"""`mmupt train`: questions without answers -> checkpoint."""

from typing import Annotated

import typer

from mmupt.cli.settings import Model, Out, Recipe, Sets, resolve, show, typed


def train(
    recipe: Recipe = None,
    model: Model = None,
    data: Annotated[str | None, typer.Option(help="Problem set to train on; its answers are not read.")] = None,
    out: Out = None,
    deepspeed: Annotated[str | None, typer.Option(help="none, zero2 or zero3.")] = None,
    audit: Annotated[
        bool | None, typer.Option("--audit", help="Log how often the vote is right (reads the answers).")
    ] = None,
    on_collapse: Annotated[
        str | None, typer.Option(help="When the collapse guard sounds: stop, rollback or ignore.")
    ] = None,
    tracker: Annotated[str | None, typer.Option(help="tensorboard, wandb or trackio.")] = None,
    sets: Sets = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the settings as JSON, on stderr what they take, and stop.")
    ] = False,
) -> None:
    """Train on the model's own votes (GRPO; no answer is needed)."""
    from mmupt.config.train import TrainConfig

    flags = {
        "model": model,
        "data": data,
        "out": out,
        "deepspeed": deepspeed,
        "audit": audit,
        "guard.on_collapse": on_collapse,
        "tracker": tracker,
    }
    config = resolve(TrainConfig, recipe, flags, sets)
    if dry_run:
        from mmupt.stages.planning import plan_training, show_training

        plan = plan_training(config, ["train", *typed(recipe, flags, sets)])
        show(config)
        show_training(plan, aside=True)
        return
    from mmupt.stages.train import train as work

    work(config)
