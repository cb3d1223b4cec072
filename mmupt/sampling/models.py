"""A model's name -> what transformers and vLLM are told to load.

The word "tiny" means the embedded model; a path is a folder in Hugging Face format; anything else is an id on the hub.
Imports no ML library, so that a wrong name is told before anything heavy starts.
"""

import re
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems.tiny import model_dir

PATIENCE = 10.0
"""Seconds that the hub gets to say whether it knows a name."""
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


def find_model(name: str) -> str:
    """`resolve_model`, and a hub id must be in the cache or known to the hub: `runs/model` may be a mistyped folder."""
    model = resolve_model(name)
    if not Path(model).is_dir():
        _ask_hub(model)
    return model


def _ask_hub(name: str) -> None:
    from huggingface_hub import HfApi, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return
    try:
        HfApi().model_info(name, timeout=PATIENCE)
    except Exception as error:  # unknown, gated, offline: each its own class, and those of the network change
        what = f"no such folder, and not to be had from the hub ({' '.join(str(error).split())[:120]})"
        raise UserError(what, where=f"model {name}", fix=WAY_OUT) from error


def _way_out(folder: Path) -> str:
    found = [below.parent.name for below in sorted(folder.glob("*/config.json"))]
    return f"there is one in {', '.join(found[:3])}" if found else WAY_OUT
