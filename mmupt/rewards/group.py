"""What an estimator is given and what it gives back: one whole group, and its rewards."""

from dataclasses import dataclass, field
from hashlib import sha256

from mmupt.config.vote import RewardConfig, VoteConfig
from mmupt.types import Answer, Problem, Vote


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure the policy was of one completion: means over its tokens, at the temperature that it was sampled at."""

    logprob: float
    """Of the tokens that were drawn; nats, at most 0."""
    entropy: float
    """Of the distribution that each token was drawn from, as a share of the largest possible; between 0 and 1."""
    uniform_kl: float
    """KL from the uniform distribution to the one that each token was drawn from; nats, at least 0."""


@dataclass(frozen=True, slots=True)
class Group:
    """The completions of one problem that vote, seen through their answers."""

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
    certainties_G: tuple[Certainty, ...] | None = None
    """Given to an estimator that says that it needs them."""
    rules: VoteConfig = field(default_factory=VoteConfig)
    """The rules that the vote was taken by."""
    settings: RewardConfig = field(default_factory=RewardConfig)
    """Numbers of single estimators."""


def drawn_number(group: Group) -> int:
    """A large random number, as a function of seed, step and problem alone."""
    digest = sha256(f"{group.seed}:{group.step}:{group.problem_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


@dataclass(frozen=True, slots=True)
class GroupRewards:
    """The rewards of one group."""

    rewards_G: tuple[float, ...]
    """At least 0, and an abstaining completion earns 0; at most 1 but for self_certainty, which is in nats."""
    label: str | None
    """The answer that was taken for right, where the estimator takes one."""
    vote: Vote
    """The vote that decided; an estimator that counts votes otherwise gives its own."""
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
