"""A benchmark file of the user's, anywhere on disk: found by its path, then known by its file's name like any other.

The file is Python that the user names, and it is run; nothing else here runs code that is not mmupt's.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from mmupt.errors import MmuptError, UserError

_known: dict[str, ModuleType] = {}
NEEDED = ("SPLITS", "BREAKDOWNS", "load")


def is_path(name: str) -> bool:
    """Whether a benchmark is named by its file."""
    return name.endswith(".py")


def known(name: str) -> ModuleType | None:
    """The file that was read under that name in this process."""
    return _known.get(name)


def read(path: str, taken: list[str]) -> str:
    """Read the file and return the name by which `known` has it; `taken` are names that it must not have."""
    file = Path(path).expanduser()
    name = file.stem
    if not file.is_file():
        raise UserError("no such benchmark file", where=path, fix="name a benchmark, or the path of its .py file")
    if name in taken:
        raise UserError(f"mmupt has a benchmark {name!r} already", where=path, fix="call the file something else")
    _known[name] = _run(file, f"mmupt_own_benchmark_{name}")
    return name


def _run(file: Path, name: str) -> ModuleType:
    spec = spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except MmuptError:
        raise
    except Exception as error:
        told = f"cannot be run ({type(error).__name__}: {str(error)[:120]})"
        raise UserError(told, where=str(file), fix="mend the benchmark file") from error
    missing = next((needed for needed in NEEDED if not hasattr(module, needed)), None)
    if missing is not None:
        raise UserError(f"does not define {missing}", where=str(file), fix=f"define {', '.join(NEEDED)}")
    return module
