"""Where rollouts come from: engines behind one protocol (`Sampler`), opened by name.

An engine is a file here that defines `connect(model, **options) -> Sampler`; its docstring and signature say which
options it has. Importing this package imports no ML library.
"""

import inspect
import os

from mmupt import registry
from mmupt.config.sampling import RolloutConfig
from mmupt.errors import UserError
from mmupt.sampling.protocol import Parallel, Sampler, SamplingParams, Streaming
from mmupt.suggest import way_out

__all__ = ["Parallel", "Sampler", "SamplingParams", "Streaming", "engines", "open", "open_configured"]

# torch reads it when it is first imported, which no module does before this one: its C++ parts print by themselves.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def engines() -> list[str]:
    """Names that `open` takes."""
    return registry.names("mmupt.sampling", defines="connect")


def open(engine: str, model: str, **options: object) -> Sampler:
    """Start an engine on a model (a folder, a hub id, or "tiny"). An option that is None is left to the engine."""
    connect = registry.load("mmupt.sampling", engine, defines="connect").connect
    given = {name: value for name, value in options.items() if value is not None}
    known = list(inspect.signature(connect).parameters)[1:]
    for name in given:
        if name not in known:
            raise UserError(f"{name} is no option of {engine}", where="sampling", fix=way_out(name, known))
    sampler: Sampler = connect(model, **given)
    return sampler


def open_configured(config: RolloutConfig, model: str) -> Sampler:
    """The engine that the settings name, with those of their options that it has."""
    connect = registry.load("mmupt.sampling", config.engine, defines="connect").connect
    known = inspect.signature(connect).parameters
    options = {name: value for name, value in config.options().items() if name in known}
    if not config.side_by_side:
        return open(config.engine, model, **options)
    from mmupt.sampling.several import open_several

    given = {name: value for name, value in options.items() if value is not None}
    return open_several(config.engine, model, given, engines=config.engines, ray=config.ray)
