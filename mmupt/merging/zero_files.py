"""What stands in DeepSpeed's two kinds of files, as far as merging needs it, with the type of every entry checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mmupt.errors import UserError
from mmupt.merging.numbers import TYPES
from mmupt.merging.same_step import learning_rates, update_counts
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import entry, load
from mmupt.merging.unpickle import Inert

Shapes = dict[str, tuple[int, ...]]
_FP32 = {2: "single_partition_of_fp32_groups", 3: "fp32_flat_groups"}


@dataclass(frozen=True)
class ModelStates:
    """A `*_model_states.pt` file."""

    path: Path
    module: Mapping[str, Stored]
    """The module's own weights; under ZeRO-3 they are empty."""
    groups: tuple[Shapes, ...]
    """Trained parameters by optimiser group, in the order in which they lie in the flat vectors."""
    frozen: Shapes
    fragments: Mapping[str, Stored]
    """Frozen parameters: whole under ZeRO-1/2, one rank's share under ZeRO-3."""
    buffers: tuple[str, ...]
    shared: Mapping[str, str]
    """Name of a tied weight -> the name under which it is kept."""
    world: object
    step: object


@dataclass(frozen=True)
class Partition:
    """A `*_optim_states.pt` file: one rank's share of the fp32 weights."""

    path: Path
    stage: int
    """2 (also for ZeRO-1, whose files are the same) or 3."""
    world: object
    flats: tuple[Stored, ...]
    """One flat vector for each optimiser group (ZeRO-1/2) or sub-group (ZeRO-3)."""
    gaps: tuple[tuple[int, ...], ...] | None
    """Elements skipped behind each parameter of each group; None when there are none."""
    steps: tuple[float, ...]
    """Update counts in the optimiser's state; empty for optimisers that keep none."""
    rates: tuple[float, ...]
    """Learning rates of its groups."""


def model_states(path: Path) -> ModelStates:
    """Read one file; without ZeRO most of its entries are None."""
    content = load(path)
    module = {name: value for name, value in entry(content, "module", dict, path).items() if isinstance(value, Stored)}
    fragments = cast(dict[str, Stored], content.get("frozen_param_fragments") or {})
    groups = cast(list[dict[str, tuple[int, ...]]], content.get("param_shapes") or [])
    return ModelStates(
        path=path,
        module=module,
        groups=tuple(_shapes(group) for group in groups),
        frozen=_shapes(cast(dict[str, tuple[int, ...]], content.get("frozen_param_shapes") or {})),
        fragments=fragments,
        buffers=tuple(cast(list[str], content.get("buffer_names") or [])),
        shared=cast(dict[str, str], content.get("shared_params") or {}),
        world=content.get("dp_world_size"),
        step=content.get("global_steps"),
    )


def partition(path: Path) -> Partition:
    """Read one file."""
    content = entry(load(path), "optimizer_state_dict", dict, path)
    stage = _stage(content, path)
    flats = entry(content, _FP32[stage], list, path)
    if not all(isinstance(flat, Stored) and flat.dtype == TYPES["float32"] for flat in flats):
        raise UserError(f"its {_FP32[stage]} are not fp32 tensors", where=str(path))
    count = content.get("partition_count")
    gaps = content.get("param_alignment_paddings")
    inner = content.get("base_optimizer_state", content.get("optimizer_state_dict"))
    optimizer: dict[str, object] = inner if isinstance(inner, dict) else {}
    return Partition(
        path=path,
        stage=stage,
        world=max(count) if isinstance(count, list) and count else count,
        flats=tuple(flat.flat() for flat in flats),
        gaps=tuple(tuple(map(int, group)) for group in gaps) if isinstance(gaps, list) else None,
        steps=update_counts(optimizer),
        rates=learning_rates(optimizer),
    )


def _stage(content: Mapping[str, object], path: Path) -> int:
    """The stage is an enum of DeepSpeed's, hence a stand-in here."""
    value = content.get("zero_stage")
    number = value.args[0] if isinstance(value, Inert) and value.args else value
    if number not in (1, 2, 3):
        raise UserError(f"tells no ZeRO stage that is known ({number!r})", where=str(path))
    return 3 if number == 3 else 2


def _shapes(group: Mapping[str, tuple[int, ...]]) -> Shapes:
    return {name: tuple(shape) for name, shape in group.items()}
