"""Settings of the collapse guard: what is watched while training on the model's own votes, and how far it may go."""

from typing import Literal

from mmupt.config.section import Section
from mmupt.errors import UserError


class GuardConfig(Section):
    """Limits on label-free signals, each taken over the last `window` steps; null leaves a signal unwatched.

    `first` is the run's first step, whose rollouts come from the untrained model. docs/guard.md has the measurements.
    """

    on_collapse: Literal["stop", "rollback", "ignore"] = "stop"
    """stop ends the run with exit code 3; rollback ends it well, on its last good checkpoint; ignore only warns."""
    window: int = 4
    """Steps that are taken together; there is no alarm before so many."""
    common_answer_rise: float | None = 0.2
    """How far the share of the most common answer, over all questions, may rise above the first."""
    vote_amplification: float | None = 0.2
    """How much more often the votes may choose their most common label than completions give that answer."""
    entropy_fall: float | None = 0.5
    """Part of the first step's answer entropy that may be lost."""
    abstention_rise: float | None = 0.2
    """How far the share of completions without an answer may rise above the first."""
    truncation_rise: float | None = 0.2
    """How far the share of truncated completions may rise above the first."""
    kl: float | None = 0.5
    """Mean KL to the untrained model, nats per token; known only where update.kl_coefficient is above 0."""
    length_factor: float | None = 4.0
    """Factor by which the mean length of completions may grow or shrink from the first."""

    def __post_init__(self) -> None:
        if self.window < 1:
            raise UserError(f"guard.window = {self.window} is no number of steps", fix="use 1 or more")
        for name in LIMITS:
            limit, least = getattr(self, name), 1.0 if name == "length_factor" else 0.0
            if limit is not None and limit <= least:
                fix = f"use a number above {least:g}, or null to leave it unwatched"
                raise UserError(f"guard.{name} = {limit} allows nothing", fix=fix)


LIMITS = (
    "common_answer_rise",
    "vote_amplification",
    "entropy_fall",
    "abstention_rise",
    "truncation_rise",
    "kl",
    "length_factor",
)
"""The watched signals, by the names of their limits."""
