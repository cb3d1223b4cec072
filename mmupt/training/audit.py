"""How often the vote is right: the one place of a label-free run where gold answers are. It hands out numbers only.

It reads the golds by itself, after a step's rewards have been given out and its updates made; no other part of training
is given this object or anything that came from it but the row for audit.jsonl and the tracker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmupt import problems
from mmupt.rewards import Gold
from mmupt.rewards.ground_truth import is_right
from mmupt.training.records import GroupRecord
from mmupt.types import Problem


@dataclass(frozen=True)
class Audit:
    """Gold answers by problem id."""

    _golds: Mapping[str, Problem]

    @classmethod
    def of(cls, spec: str) -> "Audit":
        """The golds of a problem set."""
        found = problems.load(spec, answers=True).problems
        return cls({problem.id: problem for problem in found if problem.answer is not None})

    def measure(self, records: Sequence[GroupRecord]) -> dict[str, float]:
        """Shares of right labels (no label is wrong) and of right samples, over the problems that have a gold."""
        known = [record for record in records if record.problem_id in self._golds]
        labels = [self._right(record, record.label) for record in known]
        samples = [self._right(record, answer) for record in known for answer in record.answers_G]
        return {
            "vote_accuracy": sum(labels) / max(1, len(labels)),
            "sample_accuracy": sum(samples) / max(1, len(samples)),
        }

    def _right(self, record: GroupRecord, answer: str | None) -> bool:
        problem = self._golds[record.problem_id]
        gold = Gold.of(problem)
        return gold is not None and is_right(answer, gold, problem.choices)
