"""A part of a benchmark that stands for the whole.

Problems are ranked within their family by a hash of their id, and taken in turns from every family. So a limited run
always asks the same questions, whatever the seed; a smaller limit asks some of a larger one's; and families come
evenly.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from mmupt.types import Problem


def subset(problems: Sequence[Problem], limit: int | None, stratum: str) -> tuple[Problem, ...]:
    """At most `limit` problems in their own order; `stratum` is the name of the family in their meta."""
    if limit is None or limit >= len(problems):
        return tuple(problems)
    families: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for position, problem in enumerate(problems):
        families[str(problem.meta.get(stratum))].append((_mark(problem.id), position))
    turns = [
        (turn, mark, position) for family in families.values() for turn, (mark, position) in enumerate(sorted(family))
    ]
    chosen = sorted(position for _, _, position in sorted(turns)[:limit])
    return tuple(problems[position] for position in chosen)


def _mark(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()
