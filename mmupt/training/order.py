"""Which problems each step trains on: a pure function of seed and step, so that a resumed run needs no stored order.

The epochs are flattened into one index of steps. Each epoch is its own shuffle of the whole set, and holds as many
whole steps as fit (the rest of that shuffle is left out, as loaders with drop_last do); so no step holds a problem
twice.
"""

import hashlib
from functools import lru_cache

from mmupt.errors import UserError


@lru_cache(maxsize=2)
def epoch_order(seed: int, problems: int, epoch: int) -> tuple[int, ...]:
    """The shuffle of 0..problems-1 for one epoch; sorting by digests keeps it the same in every Python."""
    keys = (hashlib.sha256(f"{seed}/{epoch}/{index}".encode()).digest() for index in range(problems))
    return tuple(index for _, index in sorted((key, index) for index, key in enumerate(keys)))


def steps_per_epoch(problems: int, problems_per_step: int) -> int:
    """Whole steps in one epoch; a set smaller than one step is refused."""
    if problems < problems_per_step:
        raise UserError(
            f"{problems} problems are fewer than one step needs (problems_per_step = {problems_per_step})",
            where="data",
            fix=f"set problems_per_step to {problems} or less, or give more problems",
        )
    return problems // problems_per_step


def step_indices(seed: int, problems: int, step: int, problems_per_step: int) -> tuple[int, ...]:
    """Indices of the problems of one step (0, 1, ...), in training order."""
    epoch, position = divmod(step, steps_per_epoch(problems, problems_per_step))
    start = position * problems_per_step
    return epoch_order(seed, problems, epoch)[start : start + problems_per_step]
