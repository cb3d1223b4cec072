"""`mmupt report`: one finished run, or two side by side, as a page."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[RUN2]", show_default=False, help="One to compare with.")
    ] = None,
) -> None:
    """Write report.html and report.md of a run, or compare two."""
    from mmupt.stages.report import report as work

    work(run, other)
