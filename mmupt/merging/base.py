"""The model that a checkpoint was trained from, as a folder on this machine."""

from pathlib import Path

from mmupt.errors import UserError
from mmupt.sampling.models import resolve_model

_SIDE_FILES = ["*.json", "*.txt", "*.jinja", "tokenizer.model"]


def base_folder(name: str | None, *, with_weights: bool) -> Path | None:
    """The base model's folder on this machine; a hub id is fetched only when its weights are needed."""
    if name is None:
        return None
    try:
        path = Path(resolve_model(name))
    except UserError:
        if with_weights:
            raise
        return None  # moved since; a checkpoint with all weights brings its own files
    if path.is_dir():
        return path
    return _fetched(name, with_weights)


def _fetched(name: str, with_weights: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = [*_SIDE_FILES, "*.safetensors"] if with_weights else _SIDE_FILES
    try:
        return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=not with_weights))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        if not with_weights:
            return None
        raise UserError(
            "cannot be fetched", where=f"model {name}", fix="name a folder that is on this machine"
        ) from error
