"""What a step leaves behind of one group: everything that is logged, and no tensor, picture or gold answer."""

from collections.abc import Iterator
from dataclasses import dataclass

from mmupt.types import JsonValue, Rollout


@dataclass(frozen=True)
class GroupRecord:
    """One group after scoring; `_G` fields hold one value for each completion that voted, but for `advantages_G`."""

    problem_id: str
    rollouts_G: tuple[Rollout, ...]
    answers_G: tuple[str | None, ...]
    """Extracted answers as written; None abstains."""
    reasons_G: tuple[str, ...]
    """Where each answer was found, or why there is none."""
    keys_G: tuple[str | None, ...]
    """Canonical keys, which compare answers across problems."""
    rewards_G: tuple[float, ...]
    advantages_G: tuple[float, ...]
    """Of the completions that are trained on: the first so many of those that voted."""
    label: str | None
    """The pseudo-label; None without a winner."""
    share: float
    """Vote share of the largest class."""
    tie: bool
    winner: bool
    """Whether the vote has a winner."""
    trains: bool
    """False: whatever the rewards are, the group gives no policy gradient."""

    @property
    def idle(self) -> bool:
        """Whether all advantages are zero."""
        return not any(self.advantages_G)

    def rows(self, step: int) -> Iterator[dict[str, JsonValue]]:
        """One row of rollouts.jsonl for each completion."""
        for index, rollout in enumerate(self.rollouts_G):
            yield {
                "step": step,
                "problem": self.problem_id,
                "index": index,
                "seed": rollout.seed,
                "text": rollout.text,
                "tokens": len(rollout.token_ids),
                "finish_reason": rollout.finish_reason,
                "answer": self.answers_G[index],
                "reason": self.reasons_G[index],
                "label": self.label,
                "share": self.share,
                "reward": self.rewards_G[index],
                "advantage": self.advantages_G[index] if index < len(self.advantages_G) else None,
            }
