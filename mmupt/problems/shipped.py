"""Where the files that come with mmupt lie: inside the installed package, or in data/ of a checkout."""

from pathlib import Path

from mmupt.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Path of data/NAME, from the wheel's copy first."""
    places = (PACKAGE / "_data" / name, PACKAGE.parent / "data" / name)
    for place in places:
        if place.exists():
            return place
    raise UserError(
        f"data/{name} is not part of this installation", fix="reinstall mmupt, or run it from a full checkout"
    )
