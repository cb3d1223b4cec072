"""A model's name -> what transformers and vLLM are told to load.

The word "tiny" means the embedded model; a path is a folder in Hugging Face format; anything else is an id on the hub.
Imports no ML library, so that a wrong name is told before anything heavy starts.
"""

import re
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems.tiny import model_dir

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
WAY_OUT = 'give a folder with a config.json, a hub id (owner/name), or "tiny"'


def resolve_model(name: str) -> str:
    """The folder or hub id. A folder that is missing or holds no model is a `UserError`."""
    if name == "tiny":
        return str(model_dir())
    path = Path(name).expanduser()
    if name and (path / "config.json").is_file():
        return str(path)
    if name and path.is_dir():
        raise UserError("no config.json in this folder", where=f"model {name}", fix=_way_out(path))
    if path.exists() or not HUB_ID.fullmatch(name):
        raise UserError("no such model", where=f"model {name}", fix=WAY_OUT)
    return name


def _way_out(folder: Path) -> str:
    found = [below.parent.name for below in sorted(folder.glob("*/config.json"))]
    return f"there is one in {', '.join(found[:3])}" if found else WAY_OUT
