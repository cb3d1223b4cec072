"""A recognised checkpoint -> its `Weights`, under the names that the model has in memory."""

from pathlib import Path

from mmupt.errors import UserError
from mmupt.merging import lora
from mmupt.merging.architecture import Architecture
from mmupt.merging.recognise import Recognised
from mmupt.merging.weights import Renamed, Safetensors, Weights
from mmupt.merging.zero import open_zero
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


def open_weights(folder: Path, kind: Recognised, model: Architecture, base: Path | None) -> Weights:
    """The trained weights, adapters folded in."""
    files = [folder / name for name in kind.model_files]
    if kind.kind == "huggingface":
        return _named(Safetensors(files), model)
    if kind.kind == "adapter":
        if base is None:
            raise UserError(
                "a LoRA adapter needs the model that it adapts", where=str(folder), fix="add --set base=MODEL"
            )
        weights = _named(Safetensors(sorted(base.glob("model*.safetensors"))), model)
        return _folded(weights, Safetensors(files), folder, model)
    trained = open_zero(files, [folder / name for name in kind.optim_files])
    if any("lora_" in name for name in trained.shapes):
        return _folded(Renamed(trained, lora.base_names(trained)), trained, folder, model)
    return _named(trained, model)


def _named(weights: Weights, model: Architecture) -> Weights:
    """Known names translated, unknown ones kept, so that the verification can name them."""
    known = model.memory_names()
    return Renamed(weights, {name: known.get(name, name) for name in weights.shapes})


def _folded(base: Weights, adapters: Weights, folder: Path, model: Architecture) -> Weights:
    factors = lora.adapter(adapters, folder / "adapter_config.json", model.memory_names())
    return lora.Folded(base, factors)


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
            "the base model cannot be fetched", where=f"model {name}", fix="name a folder with --set base=MODEL"
        ) from error
