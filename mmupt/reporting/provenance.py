"""Where a report's numbers come from: the settings' digests, the code's commit, the models' digests."""

from collections.abc import Sequence

from mmupt.reporting.blocks import Block, Heading, Paragraph, Table
from mmupt.reporting.runs import Run, Scored, mapping

PROVENANCE = Heading("Provenance")


def provenance_blocks(runs: Sequence[Run], evaluations: Sequence[Scored]) -> list[Block]:
    """One row a run, one row an evaluated model."""
    commits = sorted({run.commit for run in runs if run.commit})
    code = ", ".join(commits) if commits else "a release (no checkout)"
    digests = Table(
        "Settings", ("run", "stage", "sha256 of the settings"), tuple((r.label, r.stage, r.digest) for r in runs)
    )
    models = []
    for each in evaluations:
        origin = mapping(each.results["provenance"])
        shown = tuple(str(origin.get(key) or "") for key in ("model", "engine", "model_sha256", "data_sha256"))
        models.append((each.label, *shown))
    columns = ("evaluation", "model", "engine", "sha256 of the model", "sha256 of the questions")
    tables: list[Block] = [Table("Models and questions", columns, tuple(models))] if models else []
    return [PROVENANCE, Paragraph(f"Code: {code}"), digests, *tables]
