"""Verdicts -> accuracy, pass@k, maj@k and paired differences, each with a 95 % interval.

`correct_P_G[p][g]` is the verdict on sample g of problem p. The problem is the unit of chance: with several samples
each, a problem counts once, by its mean, and the interval is Student's t over problems (clustered, so it does not
shrink by sampling the same questions more often). One yes-or-no verdict a problem has Wilson's interval, which is
honest near 0 and 1; so have several samples that are all wrong, or all right, of which Student's would be a point.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from math import comb, fsum, sqrt
from random import Random

from mmupt.types import Answer
from mmupt.voting import vote

NORMAL = 1.959963984540054
SUBSETS = 200
"""Subsets of k samples that maj@k looks at where there are more than that."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int
    """Problems."""


def accuracy(correct_P_G: Sequence[Sequence[bool]]) -> Estimate:
    """Single-sample accuracy: the mean over problems of the share of right samples."""
    means_P = [sum(correct_G) / len(correct_G) for correct_G in correct_P_G]
    if all(len(correct_G) == 1 for correct_G in correct_P_G) or set(means_P) in ({0.0}, {1.0}):
        return wilson(round(sum(means_P)), len(means_P))
    return _clipped(over_problems(means_P))


def pass_at_k(correct_P_G: Sequence[Sequence[bool]], k: int) -> Estimate:
    """The chance that at least one of k samples is right.

    Unbiased, 1 - C(n - c, k) / C(n, k) (Chen et al., arXiv 2107.03374, eq. 1).
    """
    return _clipped(over_problems([_pass(len(correct_G), sum(correct_G), k) for correct_G in correct_P_G]))


def maj_at_k(
    answers_P_G: Sequence[Sequence[Answer | str | None]],
    correct_P_G: Sequence[Sequence[bool]],
    k: int,
    *,
    choices_P: Sequence[Sequence[str]] | None = None,
) -> Estimate:
    """The chance that the vote of k samples is right, by the vote's own contract: a tie is not right, nor is silence.

    Exact where the samples have at most `SUBSETS` subsets of size k (as for k = n), else over that many drawn from a
    fixed seed.
    """
    rows = zip(answers_P_G, correct_P_G, choices_P or [()] * len(answers_P_G), strict=True)
    return _clipped(over_problems([_majority(*row, k) for row in rows]))


def paired_difference(after_P_G: Sequence[Sequence[bool]], before_P_G: Sequence[Sequence[bool]]) -> Estimate:
    """Accuracy after minus accuracy before, over the same problems in the same order."""
    pairs = zip(after_P_G, before_P_G, strict=True)
    return over_problems([sum(after) / len(after) - sum(before) / len(before) for after, before in pairs])


def over_problems(values_P: Sequence[float]) -> Estimate:
    """The mean of one value a problem, with Student's interval; all of the line where there is one problem only."""
    n = len(values_P)
    if n == 0:
        raise ValueError("no problems, so no mean")
    mean = fsum(values_P) / n
    if n == 1:
        return Estimate(mean, float("-inf"), float("inf"), n)
    error = sqrt(sum((value - mean) ** 2 for value in values_P) / (n - 1) / n)
    return Estimate(mean, mean - student(n - 1) * error, mean + student(n - 1) * error, n)


def wilson(right: int, n: int) -> Estimate:
    """A share of yes-or-no verdicts with Wilson's score interval."""
    if n == 0:
        raise ValueError("no problems, so no share")
    share, z2 = right / n, NORMAL**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t.

    Tabulated up to 6 degrees of freedom, Cornish-Fisher from there (within 0.002).
    """
    if freedom <= 6:
        return (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469)[freedom - 1]
    z, v = NORMAL, float(freedom)
    first = (z**3 + z) / (4 * v)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return z + first + second + third


def _clipped(estimate: Estimate) -> Estimate:
    return Estimate(estimate.mean, max(0.0, estimate.low), min(1.0, estimate.high), estimate.n)


def _pass(n: int, right: int, k: int) -> float:
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples of each problem, not {n}")
    return 1 - comb(n - right, k) / comb(n, k)


def _majority(
    answers_G: Sequence[Answer | str | None], correct_G: Sequence[bool], choices: Sequence[str], k: int
) -> float:
    n = len(answers_G)
    if not 1 <= k <= n or len(correct_G) != n:
        raise ValueError(f"maj@{k} needs at least {k} samples of each problem and a verdict for each, not {n}")
    classes = vote(answers_G, choices=choices).classes
    subsets: Iterable[Sequence[int]] = combinations(range(n), k)
    if comb(n, k) > SUBSETS:
        draws = Random(sha256(f"maj:{n}:{k}".encode()).hexdigest())
        subsets = [sorted(draws.sample(range(n), k)) for _ in range(SUBSETS)]
    verdicts = [_wins_right([classes[g] for g in subset], [correct_G[g] for g in subset]) for subset in subsets]
    return sum(verdicts) / len(verdicts)


def _wins_right(classes: Sequence[int | None], correct: Sequence[bool]) -> bool:
    """Whether one class is alone the largest and its first member is right."""
    voted = [number for number in classes if number is not None]
    counts = {number: voted.count(number) for number in dict.fromkeys(voted)}
    most = max(counts.values(), default=0)
    winners = [number for number, count in counts.items() if count == most]
    return len(winners) == 1 and correct[classes.index(winners[0])]
