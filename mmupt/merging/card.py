"""The model card and the merge record: where a merged folder comes from, without times or paths of this machine."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmupt.config import canonical
from mmupt.merging.find import Found, step_number
from mmupt.sampling.models import HUB_ID
from mmupt.types import JsonValue

RECORD = "mmupt_merge.json"


@dataclass(frozen=True)
class Provenance:
    """What is known about the origin of the weights."""

    label: str
    """Kind of checkpoint, in words."""
    source: str
    """Run and step, as the last names of their folders: "tiny/step-40"."""
    step: int | None
    model: str | None
    """The model that the run started from, as its recipe named it; a folder is told by its last name."""
    recipe: str | None
    """SHA-256 of the run's resolved settings."""
    dtype: str
    contents: str
    """SHA-256 over the source's weight files (names, sizes) and all that is above: the same merge."""


def provenance(found: Found, label: str, files: Sequence[str], dtype: str, limit: int, base: str | None) -> Provenance:
    """Read off the checkpoint's folder and the run around it."""
    state = found.state
    run = found.folder.resolve().parent.parent
    recipe = _recipe(run / "config.json") if state is not None else None
    source = f"{run.name}/{found.folder.name}" if state is not None else found.folder.resolve().name
    step, model = (state.step, state.model) if state is not None else (step_number(found.folder), base)
    sizes: list[JsonValue] = [[name, (found.folder / name).stat().st_size] for name in files]
    contents = hashlib.sha256(canonical([sizes, label, source, step, model, base, recipe, dtype, limit])).hexdigest()
    return Provenance(label, source, step, _public(model), recipe, dtype, contents)


def card(origin: Provenance, shards: Sequence[tuple[str, str]], parameters: int) -> str:
    """README.md of the folder; `shards` are (file, BLAKE3)."""
    hub = [f"base_model: {origin.model}"] if origin.model and HUB_ID.fullmatch(origin.model) else []
    head = ["---", "library_name: transformers", "pipeline_tag: image-text-to-text", *hub, "tags: [mmupt]", "---", ""]
    body = ["# Merged by mmupt", "", f"{parameters:,} parameters in {origin.dtype}.", ""]
    facts = [
        ("Trained from", origin.model),
        ("Source", f"{origin.source} ({origin.label})"),
        ("Step", origin.step),
        ("Recipe digest", origin.recipe and f"sha256 {origin.recipe}"),
    ]
    rows = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts if value is not None)]
    hashes = ["", "| file | BLAKE3 |", "|---|---|", *(f"| {name} | {digest} |" for name, digest in shards)]
    return "\n".join([*head, *body, *rows, *hashes, ""])


def _public(model: str | None) -> str | None:
    """A hub id as it is; of a path only the last name, since a card travels."""
    return model if model is None or HUB_ID.fullmatch(model) else Path(model).name


def _recipe(path: Path) -> str | None:
    try:
        dump = json.loads(path.read_bytes())
        return hashlib.sha256(canonical(dump["config"])).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return None
