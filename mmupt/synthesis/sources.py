"""Which of the sources are written from."""

import hashlib

from mmupt.errors import UserError
from mmupt.types import Problem


def draw(sources: tuple[Problem, ...], count: int | None, seed: int, *, what: str, where: str) -> tuple[Problem, ...]:
    """`count` sources in their own order, drawn by a hash of seed and id; more than there are is refused."""
    if not sources:
        raise UserError(f"there are no {what} to write from", where=where, fix="give a set with pictures")
    if count is not None and count > len(sources):
        fix = f"set count to {len(sources)} or less, or leave it out"
        raise UserError(f"count = {count} {what} are asked for, but there are {len(sources)}", where=where, fix=fix)
    if count is None:
        return sources
    ranked = sorted(range(len(sources)), key=lambda place: _mark(seed, sources[place].id))
    return tuple(sources[place] for place in sorted(ranked[:count]))


def _mark(seed: int, id: str) -> str:
    return hashlib.sha256(f"{seed}:{id}".encode()).hexdigest()
