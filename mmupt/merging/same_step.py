"""Whether the files of a checkpoint are of one step, by all that they and the files beside them tell.

Sharded weights carry no step. Optimisers count their updates and schedulers their steps, though, and where those were
saved they must agree. Files that tell nothing still have their times, which a copy may change: hence only a warning.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from mmupt import console
from mmupt.errors import UserError
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import load
from mmupt.merging.unpickle import Inert

MIXED = "files of different steps or runs lie in one folder; merge another step"
_GAP = 600.0
"""Seconds between the files of one checkpoint that are not worth a word."""
_BESIDE = {
    "model_world_size_": ("extra_state_world_size_", "optim_world_size_"),
    "pytorch_model_fsdp_": ("optimizer_",),
}
"""Start of a shard's name -> those of the files that the same rank has written beside it."""


def same_step(counts: Mapping[Path, Collection[object]], what: str = "step") -> None:
    """Refuse files whose counts have none in common; not all weights need be updated each time."""
    known = {path: set(found) for path, found in counts.items() if found}
    first = next(iter(known.values()), set())
    for path, found in known.items():
        if not found & first:
            told = " and ".join(map(str, sorted(map(str, found))))
            others = " and ".join(map(str, sorted(map(str, first))))
            raise UserError(f"its {what} is {told}, that of the other files {others}", where=str(path), fix=MIXED)


def shards_of_one_step(shards: Sequence[Path]) -> None:
    """Of FSDP's shards nothing tells but the files of the same ranks: schedulers and optimisers."""
    files = [(shard, shard.with_name(other)) for shard in shards for other in _beside(shard.name)]
    contents = {path: load(path) for _, path in files if path.is_file()}
    schedulers = {path: content.get("lr_scheduler") for path, content in contents.items()}
    epochs = {path: each.get("last_epoch") for path, each in schedulers.items() if isinstance(each, dict)}
    same_step({path: [epoch] for path, epoch in epochs.items() if epoch is not None})
    updates = {path: update_counts(content) for path, content in contents.items()}
    same_step({path: [max(found)] for path, found in updates.items() if found}, "optimiser step")
    rates = {path: learning_rates(content) for path, content in contents.items()}
    same_step({path: [found] for path, found in rates.items() if found}, "learning rate")


def _beside(name: str) -> list[str]:
    return [name.replace(start, other, 1) for start, others in _BESIDE.items() for other in others if start in name]


def update_counts(optimizer: Mapping[str, object]) -> tuple[float, ...]:
    """The numbers of updates in an optimiser's state, one for each of its tensors; empty where it keeps none."""
    state = optimizer.get("state")
    rows = state.values() if isinstance(state, dict) else ()
    counts = (count_of(row["step"]) for row in rows if isinstance(row, dict) and "step" in row)
    return tuple(count for count in counts if count is not None)


def learning_rates(optimizer: Mapping[str, object]) -> tuple[float, ...]:
    """One number for each group of an optimiser's state; schedules change them with each step."""
    groups = optimizer.get("param_groups")
    rows = groups if isinstance(groups, list) else ()
    rates = (count_of(row["lr"]) for row in rows if isinstance(row, dict) and "lr" in row)
    return tuple(rate for rate in rates if rate is not None)


def count_of(value: object) -> float | None:
    """A number, or the only one of a tensor; None for anything else."""
    if isinstance(value, Inert):
        value = value.get("_local_tensor")
    if isinstance(value, Stored) and value.numel == 1:
        value = value.read().item()
    return float(value) if isinstance(value, int | float) else None


def tell_ages(files: Iterable[Path]) -> None:
    """A word about files that were written long before or after the others."""
    written = sorted((path.stat().st_mtime, path) for path in set(files))
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(written)]
    if not gaps or (gap := max(gaps)) < _GAP:
        return
    at = gaps.index(gap) + 1
    early, late = (_names([path for _, path in part]) for part in (written[:at], written[at:]))
    told = f"{late}: written {gap / 60:,.0f} minutes after {early}"
    console.warn(f"{told}; unless a copy changed the times, they may be of two steps, which the files do not tell")


def _names(files: Sequence[Path]) -> str:
    return ", ".join(path.name for path in files[:2]) + (f" and {len(files) - 2} more" if len(files) > 2 else "")
