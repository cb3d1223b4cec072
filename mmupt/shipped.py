"""Where the files are that come with mmupt: at the top of a checkout, or inside an installed wheel."""

from pathlib import Path

from mmupt.errors import UserError
from mmupt.suggest import way_out

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The shipped folder "tiny" (the embedded world and model) or "pipelines"."""
    return _found(name)


def catalogue() -> Path:
    """The file that describes the public data sets."""
    return _found("catalogue.toml")


def pipelines() -> dict[str, Path]:
    """The shipped recipes for `mmupt run`, by name."""
    return {file.stem: file for file in sorted(folder("pipelines").glob("*.toml"))}


def pipeline(name: str) -> Path:
    """A recipe file of the user's, or the shipped one of that name ("tiny", "tiny.toml" or "pipelines/tiny.toml")."""
    if Path(name).is_file():
        return Path(name)
    known = pipelines()
    short = name.removeprefix("pipelines/").removesuffix(".toml")
    if short not in known:
        raise UserError(f"there is no pipeline {name!r}", fix=way_out(short, known))
    return known[short]


def _found(name: str) -> Path:
    checkout = _PACKAGE.parent
    for place in (_PACKAGE / "_data" / name, checkout / "data" / name, checkout / name):
        if place.exists():
            return place
    raise UserError(f"{name} is no part of this installation", fix="reinstall mmupt, or run it from a full checkout")
