"""Settings of the vote and of the reward that is taken from it."""

from typing import Literal

from mmupt.config.section import Section
from mmupt.errors import UserError


class VoteConfig(Section):
    """When a group's vote has a winner, and which groups train; what does not train is counted."""

    tie: Literal["abstain", "first"] = "abstain"
    """Two largest classes of the same size: nobody wins, or the class that was seen first."""
    min_count: int = 1
    """Fewest completions that the winning class must have."""
    min_share: float = 0.0
    """Smallest share of the group, abstentions included, that the winning class must have."""
    band: tuple[float, float] = (0.0, 1.0)
    """Only groups whose vote share lies within it train, both ends included; it holds for every estimator."""
    kl_without_winner: bool = True
    """Whether a group that does not train still feels the KL term, as in MM-UPT's code; false leaves it out (SRT)."""

    def __post_init__(self) -> None:
        if self.min_count < 1:
            raise UserError(f"vote.min_count = {self.min_count} lets an empty class win", fix="use 1 or more")
        if not 0 <= self.min_share <= 1:
            raise UserError(f"vote.min_share = {self.min_share} is no share", fix="use a number from 0 to 1")
        low, high = self.band
        if not 0 <= low <= high <= 1:
            fix = "give the lower and the upper share, such as [0.3, 0.8]"
            raise UserError(f"vote.band = [{low}, {high}] is no band of shares", fix=fix)


class RewardConfig(Section):
    """Numbers of single estimators."""

    power: float = 0.7
    """power: an answer earns its share to this power (EvoLMM has 0.7; 1 is soft)."""
    threshold: float = 0.85
    """threshold: from this vote share on the reward is hard, below it soft."""

    def __post_init__(self) -> None:
        if self.power <= 0:
            raise UserError(f"reward.power = {self.power} does not pay agreement", fix="use a number above 0")
        if not 0 <= self.threshold <= 1:
            raise UserError(f"reward.threshold = {self.threshold} is no share", fix="use a number from 0 to 1")
