"""The collapse guard: from label-free observations to an alarm, and to which checkpoint is the last good one.

A vote rewards what the model already agrees on. Where that is a favourite answer and not the right one, training ends
in the same answer to every question while the reward rises. Pure: observations and limits in, readings out.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmupt.config.guard import LIMITS, GuardConfig
from mmupt.training.observation import Observation

GOOD_BELOW = 0.75
"""A checkpoint is good while every signal has gone less than this part of its way to the limit."""


@dataclass(frozen=True)
class Reading:
    """What the guard makes of one step."""

    step: int
    values: Mapping[str, float]
    """Watched signal -> how far it has gone, in the unit of its limit."""
    strains: Mapping[str, float]
    """Watched signal -> the part of its way to the limit; from 1 on it is beyond."""
    alarm: str | None
    """The signal that is furthest beyond its limit; None while the window is not full, or none is beyond."""
    common_answer: str | None
    """Canonical key of the window's most common answer."""

    @property
    def worst(self) -> float:
        return max(self.strains.values(), default=0.0)


def readings(observations: Sequence[Observation], settings: GuardConfig) -> list[Reading]:
    """One for each step of the run so far, in order."""
    ends = range(1, len(observations) + 1)
    return [
        _read(observations[0], observations[max(0, end - settings.window) : end], settings, end >= settings.window)
        for end in ends
    ]


def first_alarm(found: Iterable[Reading]) -> Reading | None:
    return next((reading for reading in found if reading.alarm is not None), None)


def last_good(found: Sequence[Reading], saved: Iterable[int]) -> int | None:
    """The newest of the saved steps that was calm, and whose weights still were when they gave the next rollouts: of
    weights that have not, nothing is known."""
    worst = {reading.step: reading.worst for reading in found}
    calm = [step for step in saved if max(worst.get(step, math.inf), worst.get(step + 1, math.inf)) < GOOD_BELOW]
    return max(calm, default=None)


def _read(first: Observation, window: Sequence[Observation], settings: GuardConfig, full: bool) -> Reading:
    answers = _added(each.answers for each in window)
    values = {
        name: value
        for name in LIMITS
        if getattr(settings, name) is not None and (value := _GONE[name](first, window)) is not None
    }
    strains = {name: _strain(name, value, getattr(settings, name)) for name, value in values.items()}
    beyond = [name for name, strain in strains.items() if strain >= 1]
    alarm = max(beyond, key=lambda name: strains[name]) if full and beyond else None
    common = max(answers, key=lambda key: (answers[key], key)) if answers else None
    return Reading(window[-1].step, values, strains, alarm, common)


def _strain(name: str, value: float, limit: float) -> float:
    return math.log(value) / math.log(limit) if name == "length_factor" else value / limit


def _added(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _common_share(window: Sequence[Observation]) -> float:
    """Pooled: one answer that comes back in every step counts, a step's own most common answer hardly does."""
    most = max(_added(each.answers for each in window).values(), default=0)
    return most / max(1, sum(each.completions for each in window))


def _common_answer_rise(first: Observation, window: Sequence[Observation]) -> float:
    return max(0.0, _common_share(window) - _common_share([first]))


def _vote_amplification(first: Observation, window: Sequence[Observation]) -> float:
    votes, answers = (_added(getattr(each, kind) for each in window) for kind in ("votes", "answers"))
    if not votes:
        return 0.0
    label = max(votes, key=lambda key: (votes[key], key))
    given = answers[label] / max(1, sum(each.completions for each in window))
    return max(0.0, votes[label] / votes.total() - given)


def _mean(window: Sequence[Observation], signal: str) -> float | None:
    known = [value for each in window if (value := each.signals.get(signal)) is not None]
    return math.fsum(known) / len(known) if known else None


def _rise(signal: str) -> "Gone":
    def gone(first: Observation, window: Sequence[Observation]) -> float | None:
        before, now = _mean([first], signal), _mean(window, signal)
        return None if before is None or now is None else max(0.0, now - before)

    return gone


def _entropy_fall(first: Observation, window: Sequence[Observation]) -> float | None:
    before, now = _mean([first], "answer_entropy"), _mean(window, "answer_entropy")
    return None if not before or now is None else max(0.0, 1 - now / before)


def _kl(first: Observation, window: Sequence[Observation]) -> float | None:
    return _mean(window, "kl")


def _length_factor(first: Observation, window: Sequence[Observation]) -> float | None:
    before, now = _mean([first], "length"), _mean(window, "length")
    return None if not before or not now else max(now / before, before / now)


Gone = Callable[[Observation, Sequence[Observation]], float | None]
_GONE: Mapping[str, Gone] = {
    "common_answer_rise": _common_answer_rise,
    "vote_amplification": _vote_amplification,
    "entropy_fall": _entropy_fall,
    "abstention_rise": _rise("abstention"),
    "truncation_rise": _rise("truncation"),
    "kl": _kl,
    "length_factor": _length_factor,
}
"""Signal -> how far the window has gone from the first step; None where it is not known."""
