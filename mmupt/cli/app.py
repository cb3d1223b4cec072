"""The `mmupt` command and its subcommands."""

from typing import Annotated

import typer

from mmupt import __version__
from mmupt.cli.audit import audit
from mmupt.cli.doctor import doctor
from mmupt.cli.evaluate import evaluate
from mmupt.cli.list import show_list
from mmupt.cli.merge import merge
from mmupt.cli.report import report
from mmupt.cli.run import run
from mmupt.cli.synthesize import synthesize
from mmupt.cli.train import train

app = typer.Typer(
    name="mmupt",
    help="Improve a multimodal language model without labels.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(synthesize)
app.command()(audit)
app.command()(train)
app.command()(merge)
app.command("eval")(evaluate)
app.command()(run)
app.command()(report)
app.command()(doctor)
app.command("list")(show_list)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mmupt {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Improve a multimodal language model without labels."""
