"""What transformers makes of a checkpoint's config.json: asked in a process of its own, and remembered.

transformers takes seconds to import, in which two gigabytes are merged. Its answer for one config.json is always the
same, so it is kept in `cache_folder()`, by all that it depends on: the file, the dtype, the installed version, and the
code that asks. What lies there is believed only whole, and only of this very user.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.merging.outline import Architecture
from mmupt.merging.side_files import read_config

TOLD = 7
"""Exit code of the asked process for a UserError, whose parts are its last line."""
_ASK = """
import gc, json, sys
gc.disable()  # it would look for garbage while all is imported
sys.path[:] = json.loads(sys.argv[1])  # what this process would import, and nothing of the folder it was started in
from mmupt.merging.architecture import main
main()
"""
_CODE = ("architecture.py", "described.py", "outline.py", "published.py", "side_files.py")


@dataclass(frozen=True)
class Description:
    """A model as transformers reads it off one config.json."""

    model: Architecture
    nested: bool
    """Whether its config.json must stay in the nested layout, since the published one would mean something else."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Description":
        told: dict[str, Any] = json.loads(text)
        model = told["model"]
        shapes = {str(name): tuple(map(int, shape)) for name, shape in model["shapes"].items()}
        architecture = Architecture(str(model["name"]), shapes, dict(model["saved_names"]), dict(model["tied"]))
        return Description(architecture, bool(told["nested"]))


class Question:
    """Asks about `folder`/config.json and weights of `dtype` in the background; at its end nothing runs any more."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self._folder, self._file = folder, _file(folder, dtype)
        self._found = _kept(self._file)
        self._process: subprocess.Popen[bytes] | None = None
        if self._found is None:
            command = [sys.executable, "-P", "-c", _ASK, json.dumps(sys.path), str(folder.resolve()), dtype]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)

    def __enter__(self) -> "Question":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def answer(self) -> Description:
        """Waits for it. What transformers cannot read is a UserError."""
        if self._found is None and self._process is not None:
            said, complained = map(_last_line, self._process.communicate())
            self._found = self._heard(self._process.returncode, said, complained)
            _keep(self._file, self._found)
        assert self._found is not None
        return self._found

    def _heard(self, code: int, said: str, complained: str) -> Description:
        if code == 0:
            return Description.from_json(said)
        if code == TOLD:
            raise UserError(**json.loads(said))
        why = f"it was ended by {signal.Signals(-code).name}" if code < 0 else complained[:200]
        raise UserError(f"transformers cannot be asked what this model is: {why}", where=f"{self._folder}/config.json")


def cache_folder() -> Path | None:
    """Where answers are kept: $MMUPT_CACHE, or mmupt/ in the user's own cache; None for a user without a home."""
    with suppress(RuntimeError):
        if own := os.environ.get("MMUPT_CACHE"):
            return Path(own).expanduser()
        common = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (common if common.is_absolute() else Path.home() / ".cache") / "mmupt"
    return None


def _file(folder: Path, dtype: str) -> Path | None:
    cache, transformers = cache_folder(), version("transformers")
    if cache is None or ".dev" in transformers:  # code that changes while its version does not
        return None
    code = [Path(__file__).with_name(name).read_text() for name in _CODE]
    asked = json.dumps([read_config(folder), dtype, transformers, code], sort_keys=True)
    return cache / "architectures" / f"{_digest(asked)}.json"


def _kept(file: Path | None) -> Description | None:
    if file is None:
        return None
    with suppress(OSError, ValueError):
        if file.stat().st_uid == os.getuid():
            digest, _, text = file.read_text().partition("\n")
            return Description.from_json(text) if digest == _digest(text) else None
    return None


def _keep(file: Path | None, found: Description) -> None:
    if file is not None:
        text = found.to_json()
        with suppress(OSError, UserError):  # a home that cannot be written to costs the next merge some seconds
            write_atomic(file, f"{_digest(text)}\n{text}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _last_line(text: bytes) -> str:
    return (text.decode(errors="replace").strip().splitlines() or [""])[-1]
