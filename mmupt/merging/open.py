"""A recognised checkpoint -> its `Weights`, under the names that the model has in memory."""

from collections.abc import Sequence
from pathlib import Path

from mmupt.errors import UserError
from mmupt.merging import lora
from mmupt.merging.bare_names import bare_names, one_each
from mmupt.merging.distributed import open_distributed
from mmupt.merging.fsdp import open_fsdp
from mmupt.merging.outline import Architecture
from mmupt.merging.recognise import Recognised, recognise
from mmupt.merging.same_step import tell_ages
from mmupt.merging.universal import open_universal
from mmupt.merging.weights import Renamed, Safetensors, Weights
from mmupt.merging.whole_files import open_whole
from mmupt.merging.zero import open_zero

_ODD = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, MemoryError)


def open_weights(folder: Path, kind: Recognised, model: Architecture, base: Path | None) -> Weights:
    """The trained weights, adapters folded in. What foreign files hold in a wrong place is their fault, told so."""
    try:
        return _opened(folder, kind, model, base)
    except UserError:
        raise
    except _ODD as error:
        told = f"its files do not hold what they should ({type(error).__name__}: {str(error)[:100]})"
        raise UserError(
            told, where=str(folder), fix="they are damaged, or of a version that merge does not know"
        ) from error


def _opened(folder: Path, kind: Recognised, model: Architecture, base: Path | None) -> Weights:
    files = [folder / name for name in kind.model_files]
    tell_ages([*files, *(folder / name for name in kind.optim_files)])
    if kind.kind == "huggingface":
        return _named(_bare(open_whole(files), model), model)
    if kind.kind == "adapter":
        if base is None:
            raise UserError("a LoRA adapter needs the model that it adapts", where=str(folder), fix="add --base MODEL")
        return _folded(_named(_base(base), model), Safetensors(files), folder, model)
    trained = _bare(_sharded(folder, kind, files, model), model)
    if any("lora_" in name for name in trained.shapes):
        settings = folder / kind.part / "lora_adapter"
        settings = settings if settings.is_dir() else folder
        return _folded(Renamed(trained, lora.base_names(trained)), trained, settings, model)
    return _named(trained, model)


def _base(folder: Path) -> Weights:
    found = recognise([file.name for file in folder.iterdir()], None, str(folder))
    if found.kind != "huggingface":
        raise UserError(f"is no base of an adapter, but: {found.label}", where=str(folder), fix="merge it first")
    return open_whole([folder / name for name in found.model_files])


def _sharded(folder: Path, kind: Recognised, files: Sequence[Path], model: Architecture) -> Weights:
    more = [folder / name for name in kind.optim_files]
    if kind.kind == "fsdp":
        return open_fsdp(files)
    if kind.kind == "distributed":
        return open_distributed(folder / kind.part, model.memory_names())
    return open_universal(files, more) if kind.kind == "universal" else open_zero(files, more)


def _bare(weights: Weights, model: Architecture) -> Weights:
    names = bare_names(weights.shapes, model.memory_names())
    return Renamed(weights, one_each({name: names.get(name, name) for name in weights.shapes}))


def _named(weights: Weights, model: Architecture) -> Weights:
    """Known names translated, unknown ones kept, so that the verification can name them."""
    known = model.memory_names()
    return Renamed(weights, one_each({name: known.get(name, name) for name in weights.shapes}))


def _folded(base: Weights, adapters: Weights, folder: Path, model: Architecture) -> Weights:
    factors = lora.adapter(adapters, folder / "adapter_config.json", model.memory_names())
    return lora.Folded(base, factors)
