"""`mmupt audit`: can a model vote on a data set, before it is trained there?"""

from typing import Annotated

import typer

from mmupt.cli.settings import DryRun, Engine, Model, Out, Recipe, Sets, resolve, show


def audit(
    recipe: Recipe = None,
    model: Model = None,
    data: Annotated[str | None, typer.Option(help="Problem set that is to be trained on.")] = None,
    out: Out = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask at most N questions.")] = None,
    samples: Annotated[int | None, typer.Option(min=2, help="Completions of each question.")] = None,
    engine: Engine = None,
    labels: Annotated[
        bool | None, typer.Option("--audit-labels", help="Also tell how often votes are right (reads the answers).")
    ] = None,
    sets: Sets = None,
    dry_run: DryRun = False,
) -> None:
    """Sample a model on a problem set and say whether its votes can teach it (no answer is needed)."""
    from mmupt.config.audit import AuditConfig

    flags = {
        "model": model,
        "data": data,
        "out": out,
        "limit": limit,
        "samples": samples,
        "rollout.engine": engine,
        "labels": labels,
    }
    config = resolve(AuditConfig, recipe, flags, sets)
    if dry_run:
        show(config)
        return
    from mmupt.stages.audit import audit as work

    work(config)
