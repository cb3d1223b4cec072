"""`mmupt run`: a pipeline of stages, of which those that are done are skipped."""

from pathlib import Path
from typing import Annotated

import typer

from mmupt.cli.exits import remember_run_folder
from mmupt.cli.settings import Sets, resolve


def run(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="A TOML file, or the name of a shipped one (tiny).")
    ],
    out: Annotated[str | None, typer.Option(help="Folder that holds the runs of all stages.")] = None,
    sets: Sets = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the plan, and stop.")] = False,
) -> None:
    """Run a pipeline from pictures to a scored model and a report."""
    from mmupt import shipped
    from mmupt.config.run import RunConfig
    from mmupt.stages.run import run as work

    config = resolve(RunConfig, shipped.pipeline(pipeline), {"out": out}, sets)
    remember_run_folder(Path(config.folder()))
    work(config, dry_run=dry_run)
