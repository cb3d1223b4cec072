"""Weights that are read one at a time: what every kind of checkpoint is opened as."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open

from mmupt.errors import UserError


class Weights(Protocol):
    """Named tensors of known shape; `read` gives one, and holds nothing afterwards."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...

    def read(self, name: str) -> torch.Tensor: ...


@dataclass(frozen=True)
class Pieces:
    """Tensors that lie in flat pieces, in order; padding behind the last element is cut off."""

    shapes: Mapping[str, tuple[int, ...]]
    pieces: Mapping[str, Sequence[torch.Tensor]]

    def read(self, name: str) -> torch.Tensor:
        shape = self.shapes[name]
        flat = [piece.reshape(-1) for piece in self.pieces[name]]
        whole = flat[0] if len(flat) == 1 else torch.cat(flat)
        return whole[: math.prod(shape)].view(shape)


class Safetensors:
    """The tensors of one or more safetensors files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._file_of: dict[str, Path] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for path in files:
            for name, shape in _header(path).items():
                if name in self._file_of:
                    raise UserError(f"{name} is also in {self._file_of[name].name}", where=str(path))
                self._file_of[name], self.shapes[name] = path, shape

    def read(self, name: str) -> torch.Tensor:
        with safe_open(self._file_of[name], framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
        return tensor


class Renamed:
    """The same weights under other names; a name without a new one is left out."""

    def __init__(self, weights: Weights, new_names: Mapping[str, str]) -> None:
        self._weights = weights
        self._old = {new: old for old, new in new_names.items() if old in weights.shapes}
        self.shapes = {new: weights.shapes[old] for new, old in self._old.items()}

    def read(self, name: str) -> torch.Tensor:
        return self._weights.read(self._old[name])


def _header(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"cannot be read: {error}", where=str(path), fix="the file is damaged or truncated") from error
