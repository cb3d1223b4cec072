"""Counts the bytes of tensors: those that exist, and the most that existed at a time while something ran."""

import gc
import weakref
from collections.abc import Callable, Iterable, Mapping

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def tensors() -> list[torch.Tensor]:
    """All tensors that Python can reach."""
    # By type: asking a weak reference what it is an instance of fails when its object is gone.
    return [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]


def held() -> int:
    """Bytes of all tensors that Python can reach, each storage once."""
    gc.collect()
    storages = (each.untyped_storage() for each in tensors())
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


class Live(TorchDispatchMode):
    """While it is entered: bytes of the tensors that operators have made and that are not yet freed."""

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        """`known` tensors are not counted, nor are views of them."""
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, object] = {each.untyped_storage()._cdata: each.untyped_storage() for each in known}

    def __torch_dispatch__(
        self, func: Callable[..., object], types: object, args: tuple = (), kwargs: Mapping[str, object] | None = None
    ) -> object:
        made = func(*args, **(kwargs or {}))
        for each in tree_iter(made):
            if isinstance(each, torch.Tensor):
                self._add(each.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self.now += size
            self.peak = max(self.peak, self.now)
            self._known[key] = weakref.ref(storage, lambda _: self._gone(key, size))

    def _gone(self, key: int, size: int) -> None:
        del self._known[key]
        self.now -= size
