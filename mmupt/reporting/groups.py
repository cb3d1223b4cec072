"""Evaluations of the same row of a table, which differ in the seed of their training only, taken together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmupt import metrics
from mmupt.reporting.runs import Scored, mapping, number

_SEED = re.compile(r"(.*), seed -?\d+")


@dataclass(frozen=True)
class Group:
    """One row: the evaluations of one label at one temperature on the same questions."""

    label: str
    members: tuple[Scored, ...]

    @property
    def first(self) -> Scored:
        return self.members[0]

    @property
    def ids(self) -> list[str]:
        """Problems that all members answered, in the first member's order."""
        return [id for id in self.first.samples_of if all(id in each.samples_of for each in self.members)]

    def correct(self, id: str) -> list[bool]:
        """Verdicts on one problem, of all members: the problem stays the unit of chance, however many the seeds."""
        return [verdict for each in self.members for verdict in each.correct(id)]

    def accuracy(self, ids: Sequence[str]) -> metrics.Estimate:
        return metrics.accuracy([self.correct(id) for id in ids])

    def mean(self, score: str) -> float | None:
        """The members' mean of a score such as "maj@", whatever k is; None where it was not measured."""
        found = [value for each in self.members for value in each.scores_at(score)]
        return sum(found) / len(found) if found else None

    def gain(self, base: Scored) -> metrics.Estimate:
        """Paired difference to the base, over all members."""
        ids = [id for id in self.ids if id in base.samples_of]
        return metrics.paired_difference([self.correct(id) for id in ids], [base.correct(id) for id in ids])


def group(evaluations: Sequence[Scored]) -> list[Group]:
    """By benchmark, then the hottest first, then as they come."""
    found: list[list[Scored]] = []
    for one in evaluations:
        same = (each for each in found if seedless(each[0].label) == seedless(one.label) and each[0].comparable(one))
        members = next(same, None)
        if members is None:
            found.append([one])
        else:
            members.append(one)
    groups = [Group(seedless(each[0].label) if len(each) > 1 else each[0].label, tuple(each)) for each in found]
    return sorted(groups, key=lambda each: (str(each.first.results["benchmark"]), -(each.first.temperature or 0.0)))


def seedless(label: str) -> str:
    """A label without the seed that a pipeline put behind it."""
    match = _SEED.fullmatch(label)
    return match[1] if match else label


def samples(one: Scored) -> int:
    """Responses to each problem."""
    return int(number(mapping(one.results["protocol"])["samples"]))
