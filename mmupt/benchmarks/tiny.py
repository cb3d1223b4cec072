"""The embedded world's held-out questions.

Data set: data/tiny, made by mmupt itself (pictures disjoint from the training pictures, golds computed).
Columns: id, question, choices, answer, answer_type, images, skill, level, family.
Splits: test (opened once), dev (for every choice that is made), hard and hard-dev (what the base model gets wrong).
Metric: accuracy of single responses, with breakdowns by skill, level and family.
"""

from pathlib import Path

from mmupt import problems
from mmupt.problems import ProblemSet

SPLITS = {"test": "test", "dev": "dev", "hard": "hard_test", "hard-dev": "hard_dev"}
BREAKDOWNS = ("family", "skill", "level")


def load(split: str, data: str | None, *, pictures: bool = True) -> ProblemSet:
    """One split from the embedded data, or from a folder with the same file names, or from one file."""
    if data is None:
        return problems.load(f"tiny:{SPLITS[split]}", answers=True, pictures=pictures)
    inside = Path(data) / f"{SPLITS[split]}.parquet"
    return problems.load(str(inside if inside.is_file() else data), answers=True, pictures=pictures)
