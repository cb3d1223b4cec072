"""What a model's config says its weights must be: names, shapes, ties, read off the class on the meta device.

A merge asks this module in a process of its own (`described.py`).
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from mmupt.errors import UserError
from mmupt.merging.described import TOLD, Description
from mmupt.merging.outline import Architecture
from mmupt.merging.side_files import write_config


def main() -> None:
    """Print, as JSON in the last line, the description of config.json in a folder, or the UserError's parts."""
    _, folder, dtype = sys.argv[-3:]
    try:
        said, code = description(Path(folder), dtype).to_json(), 0
    except UserError as error:
        said, code = json.dumps({"what": error.what, "where": error.where, "fix": error.fix}), TOLD
    sys.stdout.write(f"\n{said}\n")
    sys.stdout.flush()
    os._exit(code)  # to take all the modules down in order would take another second


def description(folder: Path, dtype: str) -> Description:
    """Published layout where transformers reads the same model off it, else the layout that the folder has."""
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch)
        write_config(folder, dtype, written)
        try:
            nested = not same_meaning(folder, written)
            if nested:
                write_config(folder, dtype, written, nested=True)
            return Description(architecture(written), nested)
        except UserError as error:
            raise UserError(error.what, where=str(folder / "config.json"), fix=error.fix) from error


def architecture(folder: Path) -> Architecture:
    """What `config.json` in this folder describes. No weight is allocated, no code of the folder is run."""
    config = _config(folder)
    names = config.architectures or ["(none)"]
    model_class = getattr(transformers, names[0], None)
    if not (isinstance(model_class, type) and issubclass(model_class, PreTrainedModel)):
        raise UserError(f"transformers has no model class {names[0]}", where=str(folder / "config.json"))
    with torch.device("meta"):
        model = model_class(config)
    return _described(names[0], model)


def same_meaning(folder: Path, other: Path) -> bool:
    """Whether transformers reads the same model off both config.json files, whatever their layout and dtype."""
    return _meaning(_config(folder).to_dict()) == _meaning(_config(other).to_dict())


def _meaning(config: Mapping[str, object], inner: bool = False) -> dict[str, object]:
    layout = {"dtype", "torch_dtype", "type", "transformers_version", "_name_or_path"}
    layout |= {"tie_word_embeddings"} if inner else set()  # the model asks the outer one
    kept = {key: value for key, value in config.items() if key not in layout}
    return {key: _meaning(value, True) if isinstance(value, dict) else value for key, value in kept.items()}


def _config(folder: Path) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        told = (str(error).strip().splitlines() or ["unreadable"])[0]
        raise UserError(f"config.json cannot be used: {told}", where=str(folder)) from error


def _described(name: str, model: PreTrainedModel) -> Architecture:
    tied = dict(model.all_tied_weights_keys) if model.config.tie_word_embeddings else {}
    # Tensors of their own, so that transformers' renaming can be followed by identity.
    tensors = {key: torch.empty_like(value) for key, value in model.state_dict().items()}
    key_of = {id(tensor): key for key, tensor in tensors.items()}
    saved = {
        key_of[id(tensor)]: new
        for new, tensor in revert_weight_conversion(model, dict(tensors)).items()
        if id(tensor) in key_of
    }
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items() if key not in tied}
    return Architecture(name, shapes, {key: saved.get(key, key) for key in [*shapes, *tied]}, tied)
