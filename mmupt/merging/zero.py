"""DeepSpeed's ZeRO-0, 1, 2 and 3 checkpoints as `Weights`, in fp32 where the optimiser keeps fp32.

ZeRO-1/2: each optimiser group is one flat vector, cut into one partition a rank; parameters follow each other in it
(with gaps where DeepSpeed notes them). ZeRO-3: each rank holds ceil(numel / ranks) elements of every parameter, in the
order of the parameters, spread over sub-groups. Frozen parameters have no fp32 partition: they lie in the module
(ZeRO-1/2) or in fragments, one a rank (ZeRO-3). The checks answer what happens to people: files of another step, of
another world size, or of another run in one folder.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from mmupt.errors import UserError
from mmupt.merging.numbers import Numbers, cast, equal
from mmupt.merging.same_step import MIXED
from mmupt.merging.stored import Stored
from mmupt.merging.weights import Pieces, Weights, chunks, pieces
from mmupt.merging.zero_files import ModelStates, Partition, Shapes, model_states, partition

Sliced = dict[str, Sequence[Stored]]


def open_zero(model_files: Sequence[Path], optim_files: Sequence[Path]) -> Weights:
    """The weights of one checkpoint: the trained ones from the fp32 partitions where there are any."""
    models = [model_states(path) for path in model_files]
    first = models[0]
    if not optim_files:
        return _module(first)
    partitions = [partition(path) for path in optim_files]
    _belong_together(models, partitions)
    if partitions[0].stage == 3:
        shapes, pieces = {**_joined(first), **first.frozen}, {**_stage_3(first, partitions), **fragments(models)}
    else:
        trained = _stage_2(first, partitions)
        module = _module(first)
        shapes, pieces = {**module.shapes, **_joined(first)}, {**module.pieces, **trained}
    whole = _with_shared(shapes, pieces, first)
    if partitions[0].stage == 3:
        return whole
    return _Agreeing(whole, _module(first), _joined(first), partitions[0].path.parent)


def _module(model: ModelStates) -> Pieces:
    return Pieces(_shapes_of(model.module), {name: [value] for name, value in model.module.items()})


def _belong_together(models: Sequence[ModelStates], partitions: Sequence[Partition]) -> None:
    first, ranks = partitions[0], len(partitions)
    for model in models:
        _agree(model.path, "step", model.step, models[0].step)
        _agree(model.path, "world size", model.world, ranks)
    for rank in partitions:
        _agree(rank.path, "world size", rank.world, ranks)
        _agree(rank.path, "ZeRO stage", rank.stage, first.stage)
        _agree(rank.path, "optimiser step", rank.steps, first.steps)
        _agree(rank.path, "learning rate", rank.rates, first.rates)
        _agree(rank.path, "number of groups", len(rank.flats), len(first.flats))


def _agree(path: Path, what: str, value: object, wanted: object) -> None:
    if value != wanted:
        raise UserError(f"its {what} is {value}, that of the other files {wanted}", where=str(path), fix=MIXED)


def _stage_2(model: ModelStates, partitions: Sequence[Partition]) -> Sliced:
    pieces: Sliced = {}
    ranks = len(partitions)
    _agree(partitions[0].path, "number of groups", len(partitions[0].flats), len(model.groups))
    for number, shapes in enumerate(model.groups):
        flats = [rank.flats[number] for rank in partitions]
        all_gaps = partitions[0].gaps
        gaps = all_gaps[number] if all_gaps is not None else (0,) * len(shapes)
        _agree(partitions[0].path, "number of parameters", len(gaps), len(shapes))
        offset = 0
        for (name, shape), gap in zip(shapes.items(), gaps, strict=True):
            pieces[name] = _slices(flats, offset, offset + math.prod(shape))
            offset += math.prod(shape) + gap
        # Every rank's partition is rounded up, to an even count at least.
        _consumed(offset, sum(flat.numel for flat in flats), 2 * ranks * ranks, partitions[0].path)
    return pieces


def _stage_3(model: ModelStates, partitions: Sequence[Partition]) -> Sliced:
    pieces: Sliced = {}
    offset = 0
    for name, shape in _joined(model).items():
        share = -(-math.prod(shape) // len(partitions))
        pieces[name] = [piece for rank in partitions for piece in _slices(rank.flats, offset, offset + share)]
        offset += share
    for rank in partitions:
        _consumed(offset, sum(flat.numel for flat in rank.flats), 0, rank.path)
    return pieces


def _slices(flats: Sequence[Stored], start: int, stop: int) -> list[Stored]:
    """Elements start..stop of the concatenation of `flats`, without making it."""
    slices, base = [], 0
    for flat in flats:
        first, last = max(start - base, 0), min(stop - base, flat.numel)
        if first < last:
            slices.append(flat.part(first, last))
        base += flat.numel
    return slices


def _consumed(wanted: int, available: int, slack: int, path: Path) -> None:
    if not wanted <= available <= wanted + slack:
        told = f"the partitions hold {available} elements, and the parameters need {wanted}"
        raise UserError(told, where=str(path), fix=MIXED)


def fragments(models: Sequence[ModelStates]) -> Sliced:
    """The frozen parameters of ZeRO-3, of which every rank holds a part."""
    for model in models:
        if lost := sorted(set(models[0].frozen) - set(model.fragments)):
            raise UserError(f"its part of the frozen weight {lost[0]} is missing", where=str(model.path), fix=MIXED)
    return {name: [model.fragments[name] for model in models] for name in models[0].frozen}


class _Agreeing:
    """Checks while it reads: the module's weights are the fp32 ones, rounded. Else the two are of different steps."""

    def __init__(self, weights: Pieces, module: Pieces, trained: Collection[str], folder: Path) -> None:
        self._weights, self._module, self._folder = weights, module, folder
        self._checked = frozenset(trained) & frozenset(module.shapes)
        self.shapes = weights.shapes

    def parts(self, name: str) -> Iterator[Numbers]:
        if name not in self._checked:
            yield from pieces(self._weights, name)
            return
        if self._module.shapes[name] != self.shapes[name]:
            raise self._differs(name)
        for chunk, rounded in zip(chunks(self._weights, name), chunks(self._module, name), strict=True):
            if not equal(cast(chunk, rounded.dtype), rounded):
                raise self._differs(name)
            yield chunk

    def _differs(self, name: str) -> UserError:
        told = f"{name} is not the same in the model states and in the optimizer states"
        return UserError(told, where=str(self._folder), fix=MIXED)


def _with_shared(shapes: Shapes, pieces: Sliced, model: ModelStates) -> Pieces:
    for name in model.buffers:
        if name in model.module:
            shapes[name], pieces[name] = model.module[name].shape, [model.module[name]]
    for alias, kept in model.shared.items():
        if kept in pieces:
            shapes[alias], pieces[alias] = shapes[kept], pieces[kept]
    return Pieces(shapes, pieces)


def _joined(model: ModelStates) -> Shapes:
    return {name: shape for group in model.groups for name, shape in group.items()}


def _shapes_of(tensors: Mapping[str, Stored]) -> Shapes:
    return {name: tensor.shape for name, tensor in tensors.items()}
