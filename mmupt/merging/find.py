"""What the user named -> one checkpoint's folder: a run folder and a checkpoints folder stand for their newest step."""

from dataclasses import dataclass
from pathlib import Path

from mmupt.errors import UserError
from mmupt.training.checkpoint import State, latest, read_state


@dataclass(frozen=True)
class Found:
    """One checkpoint folder."""

    folder: Path
    names: tuple[str, ...]
    """Its files, two levels deep, relative to it, with forward slashes."""
    state: State | None
    """None for a checkpoint that mmupt did not write."""
    chosen: bool
    """True when the user named a folder of several steps and the newest was taken."""


def find(path: Path) -> Found:
    """The checkpoint at `path`, or the newest one below it."""
    if not path.is_dir():
        raise UserError(
            "there is no such folder", where=str(path), fix="name a run folder or one of its checkpoints/step-N"
        )
    folder = _newest(path) or path
    state = read_state(folder) if (folder / "state.json").is_file() else None
    return Found(folder, _names(folder), state, chosen=folder != path)


def _newest(path: Path) -> Path | None:
    if (path / "state.json").is_file():
        return path
    if (path / "checkpoints").is_dir():
        found = latest(path / "checkpoints")
        if found is None:
            raise UserError("holds no finished checkpoint", where=str(path), fix="let the training save one first")
        return found
    return latest(path) or _deepspeed_tag(path)


def _deepspeed_tag(path: Path) -> Path | None:
    """DeepSpeed writes the name of its newest checkpoint into a file called `latest`."""
    pointer = path / "latest"
    tag = pointer.read_text(errors="replace").strip() if pointer.is_file() else ""
    if not tag:
        return None
    if Path(tag).name != tag or not (path / tag).is_dir():
        raise UserError(
            f"the file `latest` names {tag!r}, which is not there", where=str(path), fix="name the checkpoint itself"
        )
    return path / tag


def _names(folder: Path) -> tuple[str, ...]:
    files = [file for pattern in ("*", "*/*") for file in folder.glob(pattern) if file.is_file()]
    return tuple(sorted(file.relative_to(folder).as_posix() for file in files))
