"""What transformers makes of a checkpoint's config.json: asked in a process of its own, and remembered.

transformers takes seconds to import, in which two gigabytes are merged. Its answer for one config.json is always the
same, so it is kept in `cache_folder()`, by all that it depends on: the file, the dtype, the installed version, and the
code that asks.
"""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.merging.outline import Architecture
from mmupt.merging.side_files import read_config

_ASK = """
import gc, json, sys
gc.disable()  # which would take a quarter of the time of all the imports
sys.path[:] = json.loads(sys.argv[1])  # what this process would import, and nothing of the folder it was started in
from mmupt.merging.architecture import main
main()
"""
_CODE = ("architecture.py", "side_files.py", "published.py")


@dataclass(frozen=True)
class Description:
    """A model as transformers reads it off one config.json."""

    config: str
    """The config.json of the merged folder, with its dtype."""
    model: Architecture

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Description":
        """ValueError, KeyError or TypeError where the text is no description."""
        told = json.loads(text)
        model = told["model"]
        shapes = {str(name): tuple(map(int, shape)) for name, shape in model["shapes"].items()}
        return Description(
            str(told["config"]), Architecture(model["name"], shapes, dict(model["saved_names"]), dict(model["tied"]))
        )


def describe(folder: Path, dtype: str) -> Description:
    """The answer for `folder`/config.json and weights of `dtype`, at once where it has been asked for before."""
    file = _file(folder, dtype)
    try:
        return Description.from_json(file.read_text())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # not there, or not what it should be
        found = _asked(folder, dtype)
    if ".dev" not in version("transformers"):  # its code changes, and its version does not
        _keep(file, found)
    return found


def cache_folder() -> Path:
    """Where answers are kept: $MMUPT_CACHE, or mmupt/ in the user's own cache."""
    own = os.environ.get("MMUPT_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmupt"


def _file(folder: Path, dtype: str) -> Path:
    code = [Path(__file__).with_name(name).read_text() for name in _CODE]
    asked = json.dumps([read_config(folder), dtype, version("transformers"), code], sort_keys=True)
    return cache_folder() / "architectures" / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"


def _asked(folder: Path, dtype: str) -> Description:
    command = [sys.executable, "-P", "-c", _ASK, json.dumps(sys.path), str(folder.resolve()), dtype]
    done = subprocess.run(command, capture_output=True, text=True)
    said = (done.stdout.splitlines() or [""])[-1]
    if done.returncode == 0:
        return Description.from_json(said)
    if done.returncode == 2:
        raise UserError(**json.loads(said))
    raise RuntimeError(f"asking transformers about {folder}/config.json failed:\n{done.stderr}")


def _keep(file: Path, found: Description) -> None:
    with suppress(OSError, UserError):  # a home that cannot be written to costs the next merge some seconds
        write_atomic(file, found.to_json())
