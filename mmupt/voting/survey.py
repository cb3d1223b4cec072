"""The votes on many questions -> can this model vote here? From answers alone; no label is needed or taken."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mmupt.config.audit import AuditLimits
from mmupt.types import Vote

BINS = 10


@dataclass(frozen=True)
class Ballot:
    """One question: its vote, and the canonical keys that compare its answers with those to other questions."""

    vote: Vote
    keys_G: tuple[str | None, ...]


@dataclass(frozen=True)
class Survey:
    """What the votes of a model on a data set look like; shares are of all questions or of all completions."""

    questions: int
    completions: int
    abstention: float
    """Completions without an answer."""
    vote_share: float
    """Mean over questions."""
    share_histogram: tuple[int, ...]
    """Questions by vote share, in ten steps from 0 to 1; 1 is in the last."""
    no_winner: float
    """Questions whose vote nobody wins."""
    unanimous: float
    """Questions whose completions all agree."""
    useful: float
    """Questions with a winner and someone who did not vote for it: the only ones with a gradient."""
    common_answer: str | None
    """The most common answer over all questions, as a canonical key."""
    common_answer_share: float
    """Of all completions."""
    common_label: str | None
    """The label that the votes choose most often."""
    common_label_share: float
    """Of all labels."""
    amplification: float
    """`common_label_share` less the share of completions that give that answer."""


def survey(ballots: Sequence[Ballot]) -> Survey:
    """At least one question, each with at least one completion."""
    votes = [ballot.vote for ballot in ballots]
    keys = [key for ballot in ballots for key in ballot.keys_G]
    labels = [label for ballot in ballots if (label := _label(ballot)) is not None]
    answer, given = _most([key for key in keys if key is not None])
    label, chosen = _most(labels)
    label_share = chosen / max(1, len(labels))
    unanimous = [vote.winner is not None and len(vote.counts) == 1 and not vote.abstentions for vote in votes]
    winners = [vote.winner is not None for vote in votes]
    return Survey(
        questions=len(votes),
        completions=len(keys),
        abstention=keys.count(None) / len(keys),
        vote_share=sum(vote.share for vote in votes) / len(votes),
        share_histogram=_histogram([vote.share for vote in votes]),
        no_winner=1 - sum(winners) / len(votes),
        unanimous=sum(unanimous) / len(votes),
        useful=(sum(winners) - sum(unanimous)) / len(votes),
        common_answer=answer,
        common_answer_share=given / len(keys),
        common_label=label,
        common_label_share=label_share,
        amplification=max(0.0, label_share - keys.count(label) / len(keys)) if label is not None else 0.0,
    )


def doubts(found: Survey, limits: AuditLimits) -> list[str]:
    """Why the votes would not teach what is right; empty where nothing speaks against it."""
    said = []
    if found.abstention > limits.abstention:
        said.append(f"{found.abstention:.0%} of the completions give no answer")
    if found.useful < limits.useful:
        said.append(f"only {found.useful:.0%} of the questions have a winner and someone who disagrees")
    if found.amplification > limits.amplification:
        label = found.common_label
        said.append(
            f"the votes choose {label} for {found.common_label_share:.0%} of the questions, "
            f"which is {100 * found.amplification:.0f} points more than completions give it: a favourite answer wins, "
            "whatever is asked"
        )
    return said


def _label(ballot: Ballot) -> str | None:
    winner = ballot.vote.winner
    return None if winner is None else ballot.keys_G[ballot.vote.classes.index(winner)]


def _most(keys: Sequence[str]) -> tuple[str | None, int]:
    counted = Counter(keys)
    most = max(counted, key=lambda key: (counted[key], key), default=None)
    return most, 0 if most is None else counted[most]


def _histogram(shares: Sequence[float]) -> tuple[int, ...]:
    # A share of 7/10 must not fall below 0.7 by rounding.
    places = [min(BINS - 1, int(share * BINS + 1e-9)) for share in shares]
    return tuple(places.count(place) for place in range(BINS))
