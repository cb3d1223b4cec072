"""A merged folder -> a model repository on the Hugging Face hub.

What can be wrong with the name, the token or the connection is told before anything is merged. Needs no torch.
"""

import sys
from pathlib import Path

from mmupt.errors import UserError
from mmupt.sampling.models import HUB_ID

_LOGIN = "log in with `hf auth login` or set HF_TOKEN, and look at your connection"


def check(repository: str) -> None:
    """Whether somebody is logged in who could push there; says nothing where all is well."""
    if not HUB_ID.fullmatch(repository):
        raise UserError(f"{repository!r} names no repository", where="push_to_hub", fix="write it as OWNER/NAME")
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise UserError("nobody is logged in to the hub", where="push_to_hub", fix=_LOGIN)
    try:
        HfApi().whoami()
    except Exception as error:  # a refused token, offline, no such server: each its own class
        raise UserError(f"the hub cannot be used: {_told(error)}", where="push_to_hub", fix=_LOGIN) from error


def push(folder: Path, repository: str, message: str) -> str:
    """Upload all files in one commit, to a private repository where there is none yet; returns its address."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    hub = HfApi()
    try:
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
    except Exception as error:  # the network's, the server's and the disk's errors, of as many classes
        fix = f"the folder {folder} is whole; the same command pushes it again"
        raise UserError(f"was not pushed: {_told(error)}", where=f"hub {repository}", fix=fix) from error
    return str(address)


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
