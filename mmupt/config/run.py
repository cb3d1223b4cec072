"""Settings of `mmupt run`: a pipeline."""

from typing import ClassVar

import msgspec

from mmupt.config.section import Section
from mmupt.errors import UserError


class RunConfig(Section, kw_only=True):
    """Stages in the order in which they are shown; each starts when the stages that it refers to are done."""

    free: ClassVar[frozenset[str]] = frozenset({"out", "jobs", "threads"})

    name: str
    """Title of the report, and name of the folder in `runs`."""
    out: str | None = None
    """Folder that holds a folder for each stage, and the report; without it `runs/NAME`."""
    jobs: int = 1
    """Stages that may run at the same time."""
    threads: int | None = None
    """OMP_NUM_THREADS of each stage; without it the environment decides."""
    defaults: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)
    """`[defaults.train]` and so on: settings under all stages of that use."""
    stages: dict[str, dict[str, object]]
    """One table a stage: `use` (synthesize, audit, train, merge, eval), `label` (for the report), the stage's own
    settings, in `with` or beside them. `${NAME}` in a setting is the folder of the earlier stage NAME; `seeds =
    [0, 1, 2]` makes the stages NAME-0, NAME-1 and NAME-2 of it."""

    def __post_init__(self) -> None:
        if self.jobs < 1 or (self.threads is not None and self.threads < 1):
            raise UserError("jobs and threads must be at least 1")
        if not self.stages:
            raise UserError("the pipeline has no stages", fix="add a table such as [stages.train]")

    def folder(self) -> str:
        """Where everything goes."""
        return self.out or f"runs/{self.name}"
