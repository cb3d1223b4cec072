"""Name -> module, by file name: a file put into a room's folder is registered, and listing imports nothing.

A room may also hold files that are no members (its types, its shared parts). `defines` tells them apart: only files
with a top-level `def NAME`, `class NAME` or `NAME =` count as members.
"""

import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmupt.errors import UserError
from mmupt.suggest import way_out


@cache
def names(package: str, defines: str | None = None) -> list[str]:
    """Names of the members of `package` (such as "mmupt.rewards"), sorted. The package itself is not imported."""
    found = [file.stem for folder in _folders(package) for file in folder.glob("[a-z]*.py") if _has(file, defines)]
    return sorted(set(found))


def load(package: str, name: str, defines: str | None = None) -> ModuleType:
    """The member module called `name`; hyphens may stand for underscores. An unknown name is a `UserError`."""
    known = names(package, defines)
    module = name.replace("-", "_")
    if module not in known:
        room = package.rpartition(".")[2]
        raise UserError(f"there is no {name!r} in {room}", fix=way_out(module, known))
    return import_module(f"{package}.{module}")


def _folders(package: str) -> list[Path]:
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ValueError(f"{package} is not a package")
    return [Path(folder) for folder in spec.submodule_search_locations]


def _has(file: Path, defines: str | None) -> bool:
    if defines is None:
        return True
    pattern = rf"^(?:def |class |)(?:{re.escape(defines)})\b\s*[(:=\[]"
    return re.search(pattern, file.read_text(encoding="utf-8"), flags=re.MULTILINE) is not None
