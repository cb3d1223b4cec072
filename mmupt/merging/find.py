"""What the user named -> one checkpoint's folder: a run folder and a checkpoints folder stand for their newest step."""

import re
from dataclasses import dataclass
from pathlib import Path

from mmupt.errors import UserError
from mmupt.training.checkpoint import State, latest, read_state

_STEP = re.compile(r"(?:global_step_?|checkpoint[-_]|step[-_])(\d+)(?:_universal)?")

_WEIGHTS = re.compile(r".+\.(safetensors|pt|distcp)|pytorch_model.*\.bin")


@dataclass(frozen=True)
class Found:
    """One checkpoint folder."""

    folder: Path
    names: tuple[str, ...]
    """Its files, two levels deep (and those of a universal checkpoint), relative to it, with forward slashes."""
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
        found = latest(path / "checkpoints") or _tagged_step(path / "checkpoints")
        if found is None:
            raise UserError("holds no finished checkpoint", where=str(path), fix="let the training save one first")
        return found
    return latest(path) or _deepspeed_tag(path) or _tagged_step(path)


def step_number(folder: Path) -> int | None:
    """The step that a folder's name tells, as other trainers write it: global_step_80, checkpoint-500."""
    match = _STEP.fullmatch(folder.name)
    return int(match[1]) if match else None


def _tagged_step(path: Path) -> Path | None:
    """The newest of a trainer's numbered steps, and in it the one that DeepSpeed calls the newest."""
    step = _numbered(path)
    return step and (_deepspeed_tag(step) or step)


def _numbered(path: Path) -> Path | None:
    if any(_WEIGHTS.fullmatch(file.name) for file in path.iterdir()):
        return None  # holds weights of its own, as a trainer's output folder does beside its steps
    steps = {step_number(child): child for child in path.iterdir() if child.is_dir()}
    numbers = [number for number in steps if number is not None]
    return steps[max(numbers)] if numbers else None


def _deepspeed_tag(path: Path) -> Path | None:
    """DeepSpeed writes the name of its newest checkpoint into a file called `latest`."""
    pointer = next((path / name for name in ("latest", "latest_universal") if (path / name).is_file()), path / "latest")
    tag = pointer.read_text(errors="replace").strip() if pointer.is_file() else ""
    if not tag:
        return None
    if Path(tag).name != tag or not (path / tag).is_dir():
        raise UserError(
            f"the file `latest` names {tag!r}, which is not there", where=str(path), fix="name the checkpoint itself"
        )
    return path / tag


def _names(folder: Path) -> tuple[str, ...]:
    files = [file for pattern in ("*", "*/*", "zero/*/fp32.pt") for file in folder.glob(pattern) if file.is_file()]
    return tuple(sorted(file.relative_to(folder).as_posix() for file in files))
