"""What a model folder needs beside the weights: config, tokenizer, processor, chat template, generation settings."""

import json
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from mmupt.disk import write_atomic
from mmupt.errors import UserError
from mmupt.merging.published import published_config, published_files

_COPIED = (
    "generation_config.json",
    "*processor_config.json",
    "chat_template.*",
    "tokenizer*",
    "vocab.*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
_NEEDED = {
    "a tokenizer": ("tokenizer.json", "vocab.json", "tokenizer.model"),
    "an image processor": ("preprocessor_config.json", "processor_config.json"),
}
_DTYPE_KEYS = ("dtype", "torch_dtype")


def config_folder(checkpoint: Path, base: Path | None) -> Path:
    """The folder whose config.json describes the merged model: the checkpoint's own where it has one."""
    for folder in (checkpoint, base):
        if folder is not None and (folder / "config.json").is_file():
            return folder
    raise UserError(
        "holds no config.json", where=str(checkpoint), fix="name the model it was trained from with --base MODEL"
    )


def copy_side_files(checkpoint: Path, base: Path | None, out: Path) -> None:
    """Copy what is there, the checkpoint's own files before the base's; what could not be loaded is refused."""
    files: dict[str, bytes] = {}
    for folder in (folder for folder in (checkpoint, base) if folder is not None):
        own = {
            file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file() and _wanted(file.name)
        }
        files = {**published_files(own), **files}
    for name, content in files.items():
        write_atomic(out / name, content)
    for what, names in _NEEDED.items():
        if not any((out / name).is_file() for name in names):
            fix = "name the model it was trained from with --base MODEL"
            raise UserError(f"{what} is missing ({' or '.join(names)})", where=str(checkpoint), fix=fix)


def _wanted(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _COPIED)


def config_dtype(folder: Path) -> str:
    """The dtype that config.json tells, by its bare name."""
    config = read_config(folder)
    value = next((config[key] for key in _DTYPE_KEYS if isinstance(config.get(key), str)), "float32")
    return str(value).removeprefix("torch.")


def write_config(folder: Path, dtype: str, out: Path, *, nested: bool = False) -> None:
    """config.json with the dtype that the weights now have and no other, in the published layout unless `nested`."""
    config = _without_dtype(read_config(folder))
    laid_out = config if nested else published_config(config)
    # transformers before 4.56 knows only the second name.
    written = {**laid_out, "dtype": dtype, "torch_dtype": dtype}
    write_atomic(out / "config.json", json.dumps(written, indent=2, sort_keys=True) + "\n")


def _without_dtype(config: Mapping[str, object]) -> dict[str, object]:
    kept = {key: value for key, value in config.items() if key not in _DTYPE_KEYS}
    return {key: _without_dtype(value) if isinstance(value, dict) else value for key, value in kept.items()}


def read_config(folder: Path) -> dict[str, object]:
    """config.json as it stands there."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read ({error})", where=str(path)) from error
    if not isinstance(config, dict):
        raise UserError("holds no JSON object", where=str(path))
    return config
