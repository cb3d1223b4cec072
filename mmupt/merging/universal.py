"""DeepSpeed's universal checkpoints: `zero/<parameter>/fp32.pt` for each trained weight, the rest in the module."""

from collections.abc import Sequence
from pathlib import Path

from mmupt.errors import UserError
from mmupt.merging.same_step import count_of, same_step
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import content
from mmupt.merging.weights import Pieces
from mmupt.merging.zero import fragments
from mmupt.merging.zero_files import model_states


def open_universal(model_files: Sequence[Path], weight_files: Sequence[Path]) -> Pieces:
    """Shapes are told by the model's states where there are any: ZeRO-3's weights lie flat in their files."""
    models = [model_states(path) for path in model_files]
    wanted = {name: shape for model in models for group in model.groups for name, shape in group.items()}
    pieces: dict[str, Sequence[Stored]] = {path.parent.name: [_weight(path)] for path in weight_files}
    if lost := sorted(wanted.keys() - pieces.keys()):
        told = f"zero/{lost[0]}/fp32.pt is missing ({len(wanted) - len(lost)} of {len(wanted)} weights)"
        raise UserError(told, where=str(weight_files[0].parents[2]), fix="convert the checkpoint again")
    counts = {path.with_name("step.pt"): _updates(path.with_name("step.pt")) for path in weight_files}
    same_step(counts, "optimiser step")
    same_step({model.path: [model.step] for model in models})
    shapes = {name: wanted.get(name, found[0].shape) for name, found in pieces.items()}
    for model in models[:1]:
        if any(not value.numel for value in model.module.values()):  # ZeRO-3: each rank has a part of the frozen ones
            shapes |= model.frozen
            pieces |= fragments(models)
        rest = {name: value for name, value in model.module.items() if name not in pieces and value.numel}
        pieces |= {name: [value] for name, value in rest.items()}
        shapes |= {name: value.shape for name, value in rest.items()}
        for alias, kept in model.shared.items():
            if kept in pieces:
                shapes[alias], pieces[alias] = shapes[kept], pieces[kept]
    return Pieces(shapes, pieces)


def _updates(path: Path) -> tuple[float, ...]:
    count = count_of(content(path)) if path.is_file() else None
    return () if count is None else (count,)


def _weight(path: Path) -> Stored:
    found = content(path)
    value = found.get("param") if isinstance(found, dict) else found
    if not isinstance(value, Stored):
        raise UserError("holds no weight", where=str(path), fix="convert the checkpoint again")
    return value
