"""Files that hold whole weights, as Hugging Face folders and accelerate's full checkpoints have them.

Where an index says which file holds which weight, it is believed only as far as the files say the same.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mmupt.errors import UserError
from mmupt.merging.stored import Stored
from mmupt.merging.torch_files import load
from mmupt.merging.weights import Pieces, Safetensors

_FIX = "copy the missing files, or merge another step"


def open_whole(files: Sequence[Path]) -> Pieces:
    """The weights in these files of one folder, all of safetensors or all of torch."""
    safe = files[0].suffix == ".safetensors"
    index = files[0].with_name("model.safetensors.index.json" if safe else "pytorch_model.bin.index.json")
    told = _weight_map(index) if index.is_file() else {}
    if told and any("-" not in file.stem for file in files):
        fix = "remove the one that is not meant"
        raise UserError(f"holds both {files[0].name} and {index.name}", where=str(index.parent), fix=fix)
    files = [index.with_name(name) for name in sorted(set(told.values()))] or files
    for file in files:
        if not file.is_file():
            raise UserError(f"{file.name} is missing, which {index.name} names", where=str(index.parent), fix=_FIX)
    weights: Pieces = Safetensors(files) if safe else _TorchFiles(files)
    for name, place in told.items():
        if name not in weights.shapes or weights.pieces[name][0].path.name != place:
            raise UserError(f"says that {name} is in {place}, and it is not", where=str(index), fix=_FIX)
    return weights


class _TorchFiles(Pieces):
    """The tensors of one or more of torch's own files."""

    def __init__(self, files: Sequence[Path]) -> None:
        found: dict[str, Stored] = {}
        for path in files:
            for name, value in load(path).items():
                if not isinstance(value, Stored):
                    raise UserError(f"its entry {name!r} is no tensor", where=str(path), fix="save a plain state dict")
                if name in found:
                    raise UserError(f"{name} is also in {found[name].path.name}", where=str(path))
                found[name] = value
        super().__init__({name: value.shape for name, value in found.items()}, {k: [v] for k, v in found.items()})


def _weight_map(index: Path) -> dict[str, str]:
    try:
        found = json.loads(index.read_bytes())["weight_map"]
        plain = {name: file for name, file in found.items() if Path(file).name == file}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"is no index of weights ({error})", where=str(index), fix="the file is damaged") from error
    if len(plain) != len(found) or not plain:
        raise UserError("names files outside of its folder, or none", where=str(index), fix="do not trust this folder")
    return plain
