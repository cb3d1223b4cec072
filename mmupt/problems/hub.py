"""A data set of the Hugging Face hub, through the `datasets` library; no code of the data set is ever run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmupt.errors import UserError
from mmupt.problems.rows import Row

if TYPE_CHECKING:
    from datasets import Dataset


def rows(name: str, split: str, *, revision: str | None = None, subset: str | None = None) -> Iterator[Row]:
    """Each row of one split; pictures stay encoded."""
    for number, fields in enumerate(_encoded(_load(name, split, revision, subset)), start=1):
        yield Row(f"{name} {split} row {number}", f"{split}-{number}", fields)


def _load(name: str, split: str, revision: str | None, subset: str | None) -> "Dataset":
    from datasets import load_dataset

    try:
        return load_dataset(name, subset, split=split, revision=revision)
    except Exception as error:  # offline, unknown name, unknown split, gated: each its own class, and they change
        raise UserError(
            f"split {split!r} could not be loaded ({type(error).__name__}: {str(error)[:120]})",
            where=f"hub data set {name}",
            fix="check name, split and network, or give a local .parquet or .jsonl file",
        ) from error


def _encoded(data: "Dataset") -> Iterator[dict[str, object]]:
    """Rows with each picture as its {"bytes", "path"} pair: decoding belongs to the loader, which skips broken ones."""
    from datasets import Image
    from datasets.features import List, Sequence

    for column, feature in data.features.items():
        if isinstance(feature, Image):
            data = data.cast_column(column, Image(decode=False))
        elif isinstance(feature, List | Sequence) and isinstance(feature.feature, Image):
            data = data.cast_column(column, List(Image(decode=False)))
    yield from (dict(row) for row in data)
