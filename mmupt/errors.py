"""The errors that mmupt raises on purpose.

`UserError` is a mistake that the person at the keyboard can mend: it is printed as one line and ends with exit code 2.
`CollapseError` is a training run that its guard has stopped: one line, exit code 3.
`SampleError` is a bad piece of data: the sample is skipped, counted and named; the run goes on.
"""


class MmuptError(Exception):
    """Root of all errors that mmupt raises on purpose."""


class UserError(MmuptError, ValueError):
    """A mistake of the user's, told as what is wrong, where, and the way out."""

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        line = what if where is None else f"{where}: {what}"
        super().__init__(" ".join((line if fix is None else f"{line}; {fix}").split()))


class CollapseError(MmuptError):
    """The collapse guard has stopped a training run: nobody's mistake, told in one line, exit code 3."""


class SampleError(MmuptError, ValueError):
    """One sample that cannot be used, and why."""
