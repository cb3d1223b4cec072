"""A pickle read without running anything that it asks for.

Containers, numbers and text come out as themselves, tensors as `Stored`: their bytes stay in the file. A few classes of
other libraries are of interest for the data that they carry (DTensors, the metadata of torch's distributed checkpoints,
DeepSpeed's enums): they become `Inert` stand-ins, and their modules are never imported. Any other name is refused.
"""

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mmupt.errors import UserError
from mmupt.merging.numbers import TYPES
from mmupt.merging.stored import Stored

STAND_INS = re.compile(
    r"torch\.distributed(\.\w+)+"
    r"|torch\.(device|serialization\._get_layout)"
    r"|deepspeed(\.\w+)+|argparse\.Namespace|numpy(\.\w+)*\.(scalar|_reconstruct|dtype|ndarray)"
    r"|pathlib\.(PosixPath|WindowsPath|PurePosixPath)"
)
_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
}
"""Classes of storages -> the type of their numbers. A type is handed to a pickle by name: text cannot be changed."""
_TYPE = re.compile(r"bool|(complex|float|bfloat|u?int|q?u?int)\d\w*")
_PLAIN = "a tensor of torch's own"
Locate = Callable[[str], tuple[int, int]]
"""Key of a storage -> first byte in the file and number of bytes."""


class Inert:
    """Takes the place of an object whose class is not wanted: keeps its arguments and its state, and does nothing."""

    name = ""
    """The class that it stands for, with its module."""
    args: tuple[object, ...]
    state: object

    def __new__(cls, *args: object) -> "Inert":
        made = object.__new__(cls)
        made.args = args
        made.state = None
        return made

    def __setstate__(self, state: object) -> None:
        self.state = state

    def get(self, key: str) -> object:
        """One attribute of the object's state, None where there is none."""
        halves = self.state if isinstance(self.state, tuple) else (self.state,)
        return next((half[key] for half in halves if isinstance(half, dict) and key in half), None)


class _Storage:
    def __init__(self, dtype: str, start: int, size: int) -> None:
        self.dtype, self.start, self.size = dtype, start, size


class Unpickler(pickle.Unpickler):
    """Reads one pickle; `locate` finds the storages of its tensors in the file at `path`."""

    def __init__(self, file: IO[bytes], path: Path, locate: Locate | None = None) -> None:
        super().__init__(file)
        self._path, self._locate = path, locate
        # Text, types of C, and bound methods: a hostile pickle can set nothing on these that anyone looks at.
        self._known: dict[str, object] = {
            "collections.OrderedDict": OrderedDict,
            "torch.Size": tuple,
            "builtins.set": set,
            "__builtin__.set": set,
            "_codecs.encode": self._bytes,
            "torch.Tensor": _PLAIN,
            "torch._tensor.Tensor": _PLAIN,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._untyped_tensor,
            "torch._utils._rebuild_parameter": self._first,
            "torch._utils._rebuild_parameter_with_state": self._first,
            "torch._utils._rebuild_wrapper_subclass": self._first,
            "torch._tensor._rebuild_from_type_v2": self._subclass,
        }

    def find_class(self, module: str, name: str) -> object:
        full = f"{module}.{name}"
        if full not in self._known:
            self._known[full] = self._type(module, name) or self._stand_in(full)
        return self._known[full]

    def persistent_load(self, pid: object) -> _Storage:
        if self._locate is None or not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage"):
            raise pickle.UnpicklingError("it refers to something outside of itself")
        _, dtype, key, _, numel = pid
        start, size = self._locate(str(key))
        wanted = numel * TYPES[dtype].itemsize
        if size != wanted:
            raise pickle.UnpicklingError(f"storage {key} has {size} bytes, and should have {wanted}")
        return _Storage(dtype, start, size)

    def _type(self, module: str, name: str) -> str | None:
        if module == "torch" and _TYPE.fullmatch(name):
            return name
        return _STORAGES.get(name) if module in ("torch", "torch.storage", "torch.cuda") else None

    def _stand_in(self, full: str) -> type[Inert]:
        if not STAND_INS.fullmatch(full):
            raise UserError(
                f"asks for {full} when it is loaded; only tensors and plain containers are read",
                where=str(self._path),
                fix="do not trust this file",
            )
        return type("Inert", (Inert,), {"name": full})

    def _tensor(self, storage: _Storage, offset: int, shape: object, stride: object, *_: object) -> Stored:
        return self._stored(storage, storage.dtype, offset, shape, stride)

    def _untyped_tensor(
        self, storage: _Storage, offset: int, shape: object, stride: object, _: object, __: object, dtype: object
    ) -> Stored:
        return self._stored(storage, dtype, offset, shape, stride)

    def _stored(self, storage: _Storage, dtype: object, offset: int, shape: object, stride: object) -> Stored:
        if not (isinstance(dtype, str) and isinstance(shape, tuple) and isinstance(stride, tuple)):
            raise pickle.UnpicklingError("a tensor of it has no shape")
        kind = TYPES.get(dtype)
        if kind is None:
            raise UserError(f"holds a tensor of type {dtype}, which merge does not read", where=str(self._path))
        sizes, steps = tuple(int(size) for size in shape), tuple(int(step) for step in stride)
        tensor = Stored(self._path, storage.start + offset * kind.itemsize, kind, sizes, steps)
        inside = min((*sizes, *steps, offset), default=0) >= 0
        if not inside or tensor.start + tensor.span > storage.start + storage.size:
            raise pickle.UnpicklingError("a tensor of it reaches beyond its storage")
        return tensor

    def _first(self, first: object, *_: object) -> object:
        return first

    def _subclass(self, rebuild: object, kind: object, args: tuple[object, ...], state: object) -> object:
        """A tensor of another class (DTensor) as a stand-in with its state; a plain one loses its attributes."""
        if kind == _PLAIN and rebuild == self._tensor:
            return self._tensor(*args)  # type: ignore[arg-type]
        if not (isinstance(kind, type) and issubclass(kind, Inert)):
            raise pickle.UnpicklingError("a tensor of it is of an unknown class")
        made = kind()
        made.state = state
        return made

    def _bytes(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"bytes in {encoding}")
        return text.encode("latin1")
