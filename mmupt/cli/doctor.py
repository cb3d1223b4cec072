"""`mmupt doctor`: what this machine offers, and the cure of whatever is wrong."""

from typing import Annotated

import typer


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the trial imports, which take up to a minute.")
    ] = False,
) -> None:
    """Check versions, devices, threads, memory, disk and whether the libraries import."""
    from mmupt import console
    from mmupt.environment.doctor import examine

    findings = examine(imports=not quick)
    rows = [[finding.mark, finding.what, finding.found] for finding in findings]
    console.table("mmupt doctor", ["", "what", "found"], rows)
    for finding in findings:
        if finding.cure is not None:
            console.warn(f"{finding.what}: {finding.cure}")
    if any(finding.mark == "bad" for finding in findings):
        raise typer.Exit(1)
