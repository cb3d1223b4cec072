"""What an estimator is given and what it gives back: one whole group, and its rewards."""

from dataclasses import dataclass
from hashlib import sha256

from mmupt.types import Answer, Problem, Vote


@dataclass(frozen=True, slots=True)
class Group:
    """The G completions of one problem, seen through their answers."""

    problem_id: str
    answers_G: tuple[Answer, ...]
    vote: Vote
    """The vote over these answers."""
    choices: tuple[str, ...] = ()
    """Texts of the choices; empty for a free-form question."""
    seed: int = 0
    """The run's seed, for an estimator that draws."""
    step: int = 0
    """The rollout step, for an estimator that draws anew at each."""


def drawn_number(group: Group) -> int:
    """A large random number, as a function of seed, step and problem alone."""
    digest = sha256(f"{group.seed}:{group.step}:{group.problem_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


@dataclass(frozen=True, slots=True)
class GroupRewards:
    """The rewards of one group."""

    rewards_G: tuple[float, ...]
    """Between 0 and 1; an abstaining completion earns 0."""
    label: str | None
    """The answer that was taken for right, where the estimator takes one."""
    vote: Vote
    trains: bool
    """False: the group gives no gradient (nobody won, or there is nothing to take for right)."""


@dataclass(frozen=True, slots=True)
class Gold:
    """The gold answer of a problem with all that is needed to judge by it."""

    answer: str
    answer_type: str | None = None
    precision: int | None = None
    unit: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Gold | None":
        """The gold of a problem; None where it was masked or is not known."""
        if problem.answer is None:
            return None
        return cls(problem.answer, problem.answer_type, problem.precision, problem.unit)
