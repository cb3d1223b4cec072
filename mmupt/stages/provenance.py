"""What a result was made from, told alike on every machine: names and digests, no absolute paths, no times."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mmupt import __version__, console, sampling
from mmupt.config.sampling import ELSEWHERE
from mmupt.errors import UserError
from mmupt.problems import Skip
from mmupt.sampling.models import find_model, resolve_model
from mmupt.suggest import way_out
from mmupt.types import JsonValue

_NAMED = 5
"""Skipped rows that are named on the console; the run's files name all."""


def check_model(model: str, engine: str) -> None:
    """Refuse a model or engine that is not there, before a run folder is made."""
    if engine not in (known := sampling.engines()):
        raise UserError(f"there is no engine {engine!r}", where="rollout.engine", fix=way_out(engine, known))
    if engine not in ELSEWHERE:
        find_model(model)


def model_provenance(model: str, engine: str) -> dict[str, JsonValue]:
    """Name of the model, sha256 over its configuration and weights (None where they are not a local folder), engine."""
    if engine == "auto":
        from mmupt.sampling.auto import choose  # loads torch, which the sampling has done already

        engine = choose(model)
    digest = None if engine in ELSEWHERE else _digest(Path(resolve_model(model)))
    return {"model": source_name(model), "model_sha256": digest, "engine": engine, "mmupt": __version__}


def source_name(spec: str) -> str:
    """A data set's or model's name without the folders that lead to it."""
    path = Path(spec).expanduser()
    return path.resolve().name if path.exists() else spec


def tell_skipped(skipped: Sequence[Skip], source: str) -> list[JsonValue]:
    """Warn of what was left out, and return it as rows for a result."""
    if skipped:
        named = "; ".join(f"{skip.where}: {skip.reason}" for skip in skipped[:_NAMED])
        more = f"; and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        console.warn(f"{source}: {len(skipped)} skipped ({named}{more})")
    return [{"id": skip.id, "where": skip.where, "reason": skip.reason} for skip in skipped]


def _digest(folder: Path) -> str | None:
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("config.json")]) if folder.is_dir() else []
    if not files:
        return None
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
