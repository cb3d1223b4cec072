"""The scores of We-Math (arXiv 2407.01284), over the composite problems whose questions are all there.

For a composite question m with its one-step questions s_i (true: answered right):

    IK  insufficient knowledge      not m, and not every s_i
    IG  inadequate generalization   not m, and every s_i
    CM  complete mastery            m, and every s_i (strict) or any s_i (loose)
    RM  rote memorization           m otherwise

Rates are over the N composite problems, but that of RM over CM + RM. The score is (CM + IG / 2) / N. S1, S2 and S3 are
the accuracies of one-, two- and three-step questions; that of a domain is the mean over its concepts of the accuracy of
their one-step questions. N is what is there, never the 525 of the whole set; a problem without all its questions is
counted as incomplete and left out. Plain accuracy is over every question.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from mmupt.benchmarks.contract import Measures
from mmupt.benchmarks.wemath_concepts import DOMAINS
from mmupt.types import JsonValue, Problem

WHOLE = "multi"


@dataclass(frozen=True, slots=True)
class Composite:
    """One composite problem with all its verdicts."""

    steps: int
    parts: tuple[tuple[str, bool], ...]
    """Concept and verdict of each one-step question."""
    whole: bool


def measure(asked: Sequence[Problem], correct: Sequence[bool]) -> Measures:
    """Scores and tables of these questions; a score over nothing is left out."""
    complete, incomplete = _composites(asked, correct)
    modes = {mode: _four(complete, mode) for mode in ("strict", "loose")}
    steps = _steps(complete)
    scores = {"plain": _mean(correct), **{mode: table["score"] for mode, table in modes.items()}}
    scores |= {name: _mean(verdicts) for name, verdicts in steps.items()}
    return Measures(
        scores={name: score for name, score in scores.items() if isinstance(score, float)},
        tables={
            "four-dimensional": dict(modes),
            "composite problems": {"complete": len(complete), "incomplete": incomplete},
            "steps": {name: {"n": len(verdicts), "accuracy": _mean(verdicts)} for name, verdicts in steps.items()},
            "domains": _domains(complete),
        },
    )


def _composites(asked: Sequence[Problem], correct: Sequence[bool]) -> tuple[list[Composite], int]:
    """The complete ones, and how many are not."""
    found: dict[str, dict[str, tuple[str, bool]]] = defaultdict(dict)
    for problem, right in zip(asked, correct, strict=True):
        concept = str(problem.meta.get("knowledge concept"))
        found[str(problem.meta["composite"])][str(problem.meta["part"])] = (concept, right)
    complete: list[Composite] = []
    for name, verdicts in found.items():
        steps = int(name[0])
        expected = [str(part) for part in range(1, steps + 1)]
        if {*expected, WHOLE} == set(verdicts):
            complete.append(Composite(steps, tuple(verdicts[part] for part in expected), verdicts[WHOLE][1]))
    return complete, len(found) - len(complete)


def _dimension(composite: Composite, mode: str) -> str:
    parts = [right for _, right in composite.parts]
    if not composite.whole:
        return "IG" if all(parts) else "IK"
    mastered = all(parts) if mode == "strict" else any(parts)
    return "CM" if mastered else "RM"


def _four(complete: Sequence[Composite], mode: str) -> dict[str, JsonValue]:
    counts = Counter(_dimension(composite, mode) for composite in complete)
    total, solved = len(complete), counts["CM"] + counts["RM"]
    over = {"IK": total, "IG": total, "CM": total, "RM": solved}
    rates: Mapping[str, JsonValue] = {name: counts[name] / n if n else None for name, n in over.items()}
    score = (counts["CM"] + counts["IG"] / 2) / total if total else None
    return {"score": score, **{name: {"count": counts[name], "rate": rates[name]} for name in over}}


def _steps(complete: Sequence[Composite]) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {"S1": [right for each in complete for _, right in each.parts]}
    for steps in (2, 3):
        found[f"S{steps}"] = [each.whole for each in complete if each.steps == steps]
    return found


def _domains(complete: Sequence[Composite]) -> dict[str, JsonValue]:
    """The domains that occur; a concept outside the hierarchy is in none, as in the authors' script."""
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for concept, right in (part for each in complete for part in each.parts):
        verdicts[concept].append(right)
    table: dict[str, JsonValue] = {}
    for domain, concepts in DOMAINS.items():
        here = [verdicts[concept] for concept in concepts if concept in verdicts]
        if here:
            accuracy = fsum(sum(each) / len(each) for each in here) / len(here)
            table[domain] = {"n": sum(map(len, here)), "accuracy": accuracy, "concepts": len(here)}
    return table


def _mean(verdicts: Sequence[bool]) -> float | None:
    return sum(verdicts) / len(verdicts) if verdicts else None
