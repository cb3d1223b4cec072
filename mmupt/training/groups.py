"""The contract of a group: G consecutive rollouts of one problem, whole, on one rank.

A rank samples, scores and trains whole groups, so a vote never needs another rank's answers and comes out the same for
any number of ranks. A batch shape that would break this is refused before anything starts, naming the setting to
change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mmupt.errors import UserError
from mmupt.types import Rollout


@dataclass(frozen=True)
class BatchShape:
    """How the rollouts of one step are laid out over updates and ranks."""

    problems_per_step: int
    group_size: int
    updates_per_step: int
    ranks: int
    micro_batch_size: int
    """Completions that share one denominator of the loss, see `aggregation`."""

    def __post_init__(self) -> None:
        if self.group_size < 2:
            raise UserError("one rollout cannot vote", where="group_size", fix="set group_size to 2 or more")
        self._divides("updates_per_step", self.updates_per_step, self.problems_per_step, "problems_per_step")
        per_update = self.problems_per_update
        self._divides(
            "ranks", self.ranks, per_update, "the problems of one update (problems_per_step / updates_per_step)"
        )
        rollouts = per_update * self.group_size
        self._divides("update.micro_batch_size", self.micro_batch_size, rollouts, "the rollouts of one update")

    @property
    def problems_per_update(self) -> int:
        return self.problems_per_step // self.updates_per_step

    @property
    def groups_per_rank(self) -> int:
        """Whole groups of one rank in one update."""
        return self.problems_per_update // self.ranks

    def positions(self, rank: int, update: int) -> range:
        """Positions within the step's problems that `rank` trains in `update`."""
        start = update * self.problems_per_update + rank * self.groups_per_rank
        return range(start, start + self.groups_per_rank)

    def all_positions(self, rank: int) -> list[int]:
        """Positions within the step's problems that `rank` samples and scores, in training order."""
        return [position for update in range(self.updates_per_step) for position in self.positions(rank, update)]

    @staticmethod
    def _divides(setting: str, part: int, whole: int, what: str) -> None:
        if part >= 1 and whole % part == 0 and whole > 0:
            return
        fits = [number for number in range(1, max(whole, 1) + 1) if whole % number == 0]
        nearest = min(fits, key=lambda number: abs(number - part))
        raise UserError(
            f"{setting} = {part} does not divide {what} = {whole}", where=setting, fix=f"set {setting} to {nearest}"
        )


def check_whole(group: Sequence[Rollout], problem_id: str, size: int) -> None:
    """Stop at once if a sampler handed back anything but `size` rollouts of this problem, in order."""
    if [(one.problem_id, one.index) for one in group] != [(problem_id, index) for index in range(size)]:
        raise AssertionError(
            f"the sampler split the group of problem {problem_id}: {len(group)} rollouts for group_size {size}"
        )
