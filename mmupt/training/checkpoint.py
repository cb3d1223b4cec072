"""The checkpoint format, and the rules for its folder.

A run directory holds `checkpoints/step-<N>/`, N being the number of finished steps (one step = one batch of rollouts).
A folder is written aside and renamed, so a folder of that name is always whole. Three shapes, told apart by
`state.json`:

plain, all weights   an ordinary Hugging Face folder: config.json, generation_config.json, model*.safetensors;
                     and optimizer.pt
plain, LoRA          an ordinary peft folder: adapter_config.json, adapter_model.safetensors (`model` names its base);
                     and optimizer.pt
deepspeed            config.json (with LoRA also adapter_config.json), and `deepspeed/` as
                     `engine.save_checkpoint(tag="deepspeed")` wrote it: mp_rank_00_model_states.pt (ZeRO-1/2),
                     zero_pp_rank_<R>_mp_rank_00_{model,optim}_states.pt

Each of them also holds the processor's files (tokenizer, chat template, image processor) and `state.json`:

    {"format": "mmupt-checkpoint-1", "kind": "plain" | "deepspeed", "zero_stage": 0 | 1 | 2 | 3, "world_size": 2,
     "step": 40,
     "model": "Qwen/Qwen2.5-VL-7B-Instruct", "lora": null | {"rank": 8, "alpha": 16, "target_modules": ["q_proj", ...]},
     "log_sizes": {"metrics.jsonl": 10240, ...}}

Under DeepSpeed the keys of the module are those of the model in memory (`model.language_model.*`, `model.visual.*`,
`lm_head.*`), with LoRA behind the prefix `base_model.model.`. optimizer.pt loads with `weights_only=True`; DeepSpeed's
own files are pickles. `log_sizes` are the byte sizes of the run's logs at that step: a resumed run cuts them back to
these sizes before it goes on. Data order, sampling seeds and the random state of each step are pure functions of the
seed and the step, so nothing of them is stored.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from mmupt import rundir
from mmupt.errors import UserError

FORMAT = "mmupt-checkpoint-1"
DEEPSPEED_TAG = "deepspeed"


@dataclass(frozen=True)
class LoraShape:
    """The adapter of a LoRA checkpoint."""

    rank: int
    alpha: int
    target_modules: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """What `state.json` says."""

    kind: Literal["plain", "deepspeed"]
    zero_stage: int
    world_size: int
    step: int
    """Finished steps."""
    model: str
    """The base model's name, as the recipe gave it."""
    lora: LoraShape | None = None
    log_sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each log at this step, by file name."""


def write_state(folder: Path, state: State) -> None:
    text = json.dumps({"format": FORMAT, **asdict(state)}, indent=1, sort_keys=True)
    rundir.write_atomic(folder / "state.json", text + "\n")


def read_state(folder: Path) -> State:
    """The state of one checkpoint folder; a folder that is none is a UserError."""
    try:
        raw = json.loads((folder / "state.json").read_text())
        if raw.pop("format") != FORMAT:
            raise ValueError(f"format is not {FORMAT}")
        lora = raw.pop("lora")
        shape = None if lora is None else LoraShape(lora["rank"], lora["alpha"], tuple(lora["target_modules"]))
        return State(lora=shape, **raw)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"not a checkpoint of mmupt train ({error})", where=str(folder), fix="name a checkpoints/step-N folder"
        ) from error


def step_folders(root: Path) -> list[Path]:
    """Whole checkpoints under `root`, oldest first."""
    found = [path for path in root.glob("step-*") if path.name[5:].isdigit() and (path / "state.json").is_file()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def latest(root: Path) -> Path | None:
    folders = step_folders(root)
    return folders[-1] if folders else None


def scratch(root: Path, step: int) -> Path:
    """Where the checkpoint of `step` is written before it takes its name."""
    return root / f".step-{step}.partial"


def clear(folder: Path) -> None:
    """An empty folder in place of whatever a killed attempt left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


@contextmanager
def whole_or_none(folder: Path) -> Iterator[None]:
    """What is written into `folder` in this block is removed when it fails: it takes the room that may be wanting."""
    try:
        with rundir.foreign_writer(folder):
            yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def publish(root: Path, step: int) -> None:
    """Give a finished folder its name; from then on it is the one to resume from."""
    rundir.replace_folder(scratch(root, step), root / f"step-{step}")


def saved_steps(root: Path) -> list[int]:
    """Steps of the whole checkpoints, in order."""
    return [int(path.name[5:]) for path in step_folders(root)]


def discard(folder: Path) -> None:
    """Renamed first: a folder that is half deleted must not look like a checkpoint."""
    doomed = folder.with_name(f".{folder.name}.old")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def keep_newest(root: Path, limit: int | None, good: int | None = None) -> None:
    """Delete the oldest whole checkpoints until `limit` are left; the newest always stays, and so does that of the step
    `good`, the last one that the collapse guard calls so: with a limit of one that makes two.

    Called after a new one is in place and once before a run goes on, to end what a kill interrupted.
    """
    for leftover in root.glob(".step-*.old"):
        shutil.rmtree(leftover, ignore_errors=True)
    if limit is None:
        return
    folders = step_folders(root)
    kept = folders[-max(1, limit) :]
    spared = [folder for folder in folders if folder.name == f"step-{good}" and folder not in kept]
    if spared:
        kept = folders[-max(1, limit - 1) :]
    for folder in folders:
        if folder not in (*kept, *spared):
            discard(folder)
