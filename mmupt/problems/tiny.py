"""The embedded world: small pictures and questions about them, with computed golds.

Splits: train, dev and test (easy level; pictures disjoint), and the same with hard_ (what the base model gets wrong).
Columns: id, question, choices, answer, answer_type, images, skill, level, family; the last three become meta.
"""

from collections.abc import Iterator
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems import parquet
from mmupt.problems.rows import Row
from mmupt.shipped import folder

SPLITS = ("train", "dev", "test", "hard_train", "hard_dev", "hard_test")


def data_dir() -> Path:
    """The folder with the sets and the model."""
    return folder("tiny")


def model_dir() -> Path:
    """The folder of the embedded model, which the word "tiny" means as a model name."""
    return folder("tiny") / "model"


def rows(split: str) -> Iterator[Row]:
    """Each row of one split."""
    if split not in SPLITS:
        raise UserError(f"no split {split!r}", where="problem set tiny", fix=f"choose from {', '.join(SPLITS)}")
    return parquet.rows(data_dir() / f"{split}.parquet")
