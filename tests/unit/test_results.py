"""Judged rows -> scores, intervals, breakdowns and rates, with a benchmark's own measures among them."""

from collections.abc import Sequence

import pytest

from mmupt.benchmarks import Measures
from mmupt.stages.results import averaged, score
from mmupt.types import Problem

ASKED = [Problem(str(n), "?", answer="1", meta={"kind": ["odd", "any"] if n % 2 else "any"}) for n in range(4)]


def rows(*verdicts: str) -> list[dict[str, object]]:
    """One response a problem and letter: c(orrect), w(rong), a(bstained), t(runcated)."""
    names = {"c": "correct", "w": "wrong", "a": "abstained", "t": "abstained"}
    return [
        {
            "id": problem.id,
            "verdict": names[letter],
            "extracted": None if letter in "at" else letter,
            "finish_reason": "length" if letter == "t" else None,
        }
        for problem, letters in zip(ASKED, verdicts, strict=True)
        for letter in letters
    ]


def pairs(asked: Sequence[Problem], correct: Sequence[bool]) -> Measures:
    """Both of a pair right; the second score is not defined where nothing is right."""
    both = [first and second for first, second in zip(correct[::2], correct[1::2], strict=True)]
    some = {"some": sum(both) / sum(correct)} if any(correct) else {}
    table = {"both": {"count": sum(both), "rate": sum(both) / sum(correct) if any(correct) else None}, "of": len(asked)}
    return Measures({"strict": sum(both) / len(both), **some}, {"pairs": table})


def test_a_benchmarks_own_scores_and_tables_stand_beside_ours():
    found = score(ASKED, rows("c", "c", "w", "c"), ("kind",), pairs)
    assert found["scores"] == {"accuracy": 0.75, "strict": 0.5, "some": 0.333333}
    assert list(found["intervals"]) == ["accuracy"]
    assert found["breakdowns"]["pairs"] == {"both": {"count": 1, "rate": 1 / 3}, "of": 4}
    kinds = found["breakdowns"]["kind"]
    assert {name: (cell["n"], cell["accuracy"]) for name, cell in kinds.items()} == {"any": (4, 0.75), "odd": (2, 1.0)}


def test_with_several_responses_they_are_the_mean_over_the_responses():
    found = score(ASKED, rows("cw", "cw", "ww", "cw"), ("kind",), pairs)
    assert found["scores"]["strict"] == 0.25 and found["scores"]["accuracy"] == 0.375
    assert "some" not in found["scores"], "the second responses do not define it"
    assert found["breakdowns"]["pairs"] == {"both": {"count": 0.5, "rate": 1 / 3}, "of": 4}


def test_rates_count_responses():
    assert score(ASKED, rows("ca", "wt", "cc", "aa"), ())["rates"] == {
        "extraction": 0.5, "truncation": 0.125, "abstention": 0.5
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1, 2], 1.5),
        ([None, 2.0], 2.0),
        ([None, None], None),
        (["525", "525"], "525"),
        ([{"a": 1, "b": {"c": 0.5}}, {"a": 3, "b": {"c": None}}], {"a": 2.0, "b": {"c": 0.5}}),
    ],
)
def test_tables_are_averaged_number_by_number(values: list[object], mean: object):
    assert averaged(values) == mean
