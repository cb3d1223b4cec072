"""A part of a benchmark that stands for the whole.

Problems are ranked within their family by a hash of their id, and taken in turns from every family. So a limited run
always asks the same questions, whatever the seed; a smaller limit asks some of a larger one's; and families come
evenly. Problems that are scored together (the questions of a composite problem) are taken together: one that no longer
fits is passed over for a smaller one.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from mmupt.types import Problem


def subset(
    problems: Sequence[Problem], limit: int | None, stratum: str, together: str | None = None
) -> tuple[Problem, ...]:
    """At most `limit` problems in their own order.

    `stratum` is the name of the family in their meta; `together` that of what may not be torn apart.
    """
    if limit is None or limit >= len(problems):
        return tuple(problems)
    units: dict[str, list[int]] = defaultdict(list)
    for position, problem in enumerate(problems):
        units[problem.id if together is None else str(problem.meta.get(together))].append(position)
    families: dict[str, list[tuple[str, list[int]]]] = defaultdict(list)
    for name, positions in units.items():
        families[str(problems[positions[0]].meta.get(stratum))].append((_mark(name), positions))
    turns = [(turn, *unit) for family in families.values() for turn, unit in enumerate(sorted(family))]
    chosen: list[int] = []
    for _, _, positions in sorted(turns):
        if len(chosen) + len(positions) <= limit:
            chosen += positions
    return tuple(problems[position] for position in sorted(chosen))


def _mark(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()
