"""`mmupt synthesize`: pictures (and questions) -> new questions."""

from enum import StrEnum
from typing import Annotated

import typer

from mmupt.cli.settings import DryRun, Model, Out, Recipe, Sets, resolve, show


class Mode(StrEnum):
    """How a question is asked for."""

    direct = "direct"
    in_context = "in-context"


def synthesize(
    recipe: Recipe = None,
    mode: Annotated[Mode | None, typer.Option(help="From the picture alone, or beside an example question.")] = None,
    model: Model = None,
    data: Annotated[str | None, typer.Option(help="Problem set, or a folder of pictures.")] = None,
    out: Out = None,
    sets: Sets = None,
    dry_run: DryRun = False,
) -> None:
    """Let the model write its own questions about pictures."""
    from mmupt.config.synthesize import SynthesizeConfig

    flags = {"mode": mode and mode.value, "model": model, "data": data, "out": out}
    config = resolve(SynthesizeConfig, recipe, flags, sets)
    if dry_run:
        show(config)
        return
    from mmupt.stages.synthesize import synthesize as work

    work(config)
