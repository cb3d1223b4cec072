"""`mmupt run`: a pipeline of stages, of which those that are done are skipped."""

from typing import Annotated

import typer

from mmupt.cli.settings import DryRun, Sets, resolve, show


def run(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="A TOML file, or the name of a shipped one (tiny).")
    ],
    out: Annotated[str | None, typer.Option(help="Folder that holds the runs of all stages.")] = None,
    sets: Sets = None,
    dry_run: DryRun = False,
) -> None:
    """Run a pipeline from pictures to a scored model and a report."""
    from mmupt import shipped
    from mmupt.config.run import RunConfig

    config = resolve(RunConfig, shipped.pipeline(pipeline), {"out": out}, sets)
    if dry_run:
        show(config)
        return
    from mmupt.stages.run import run as work

    work(config)
