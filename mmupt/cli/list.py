"""`mmupt list`: the names that settings and flags take."""

from typing import Annotated

import typer


def show_list(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", show_default=False, help="Only this kind of name.")
    ] = None,
) -> None:
    """Show benchmarks, judges, protocols, rewards, engines, problem sets and pipelines."""
    from mmupt import console
    from mmupt.cli.catalogue import KINDS
    from mmupt.errors import UserError
    from mmupt.suggest import way_out

    if kind is not None and kind not in KINDS:
        raise UserError(f"there is no list of {kind!r}", fix=way_out(kind, KINDS))
    for name in [kind] if kind is not None else list(KINDS):
        members = KINDS[name]()
        console.say(f"{name}:\n" + "\n".join(f"  {member}" for member in members))
