"""What an examination found out about one thing."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    found: str
    mark: Literal["ok", "note", "bad"] = "ok"
    """"note" is worth knowing, "bad" stops some part of mmupt from working."""
    cure: str | None = None
    """What to do about it; None where nothing needs to be done."""
