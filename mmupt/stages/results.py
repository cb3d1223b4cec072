"""Graded rows -> scores with intervals, breakdowns and rates, as in results.json. All shares are between 0 and 1."""

from collections.abc import Mapping, Sequence

from mmupt import console, metrics
from mmupt.types import JsonValue, Problem

JUDGE = "boxed@1"
"""Name and version of the judge, `mmupt.answers.grade`; the version rises whenever a verdict may change."""

Row = Mapping[str, JsonValue]


def score(asked: Sequence[Problem], rows: Sequence[Row], breakdowns: Sequence[str]) -> dict[str, JsonValue]:
    """What is to be known of rows that hold the same number of responses for each problem, in the problems' order."""
    samples = len(rows) // len(asked)
    rows_P_G = [rows[start : start + samples] for start in range(0, len(rows), samples)]
    correct_P_G = [[row["verdict"] == "correct" for row in group] for group in rows_P_G]
    estimates = {"accuracy": metrics.accuracy(correct_P_G)}
    if samples > 1:
        answers_P_G = [[_answer(row) for row in group] for group in rows_P_G]
        choices_P = [problem.choices for problem in asked]
        estimates[f"maj@{samples}"] = metrics.maj_at_k(answers_P_G, correct_P_G, samples, choices_P=choices_P)
        estimates[f"pass@{samples}"] = metrics.pass_at_k(correct_P_G, samples)
    return {
        "judge": JUDGE,
        "scores": {name: _short(estimate.mean) for name, estimate in estimates.items()},
        "intervals": {name: _interval(estimate) for name, estimate in estimates.items()},
        "breakdowns": {name: _breakdown(asked, correct_P_G, name) for name in breakdowns},
        "rates": _rates(rows),
    }


def show(found: Mapping[str, JsonValue]) -> None:
    """One table of a benchmark's scores on the console."""
    scores, intervals, rates = (found[key] for key in ("scores", "intervals", "rates"))
    if not (isinstance(scores, dict) and isinstance(intervals, dict) and isinstance(rates, dict)):
        raise TypeError("results.json holds no scores")
    rows = [[name, _percent(value), _percent(intervals[name])] for name, value in scores.items()]
    rows += [[f"{name} rate", _percent(value), ""] for name, value in rates.items()]
    console.table(f"{found['benchmark']}: {found['n']} problems", ["", "%", "95 % interval"], rows)


def _breakdown(asked: Sequence[Problem], correct_P_G: Sequence[Sequence[bool]], name: str) -> dict[str, JsonValue]:
    """Accuracy of every value of `name`, sorted; a problem with a list of values counts in each of them."""
    groups: dict[str, list[Sequence[bool]]] = {}
    for problem, correct_G in zip(asked, correct_P_G, strict=True):
        value = problem.meta.get(name)
        for each in value if isinstance(value, list) else [] if value is None else [value]:
            groups.setdefault(str(each), []).append(correct_G)
    estimates = {each: metrics.accuracy(group) for each, group in sorted(groups.items())}
    return {
        each: {"n": estimate.n, "accuracy": _short(estimate.mean), "interval": _interval(estimate)}
        for each, estimate in estimates.items()
    }


def _rates(rows: Sequence[Row]) -> dict[str, JsonValue]:
    """Shares of the responses: with an answer, cut off at the longest length, without an answer."""
    answered = sum(row["extracted"] is not None for row in rows)
    cut = sum(row["finish_reason"] == "length" for row in rows)
    return {
        "extraction": _short(answered / len(rows)),
        "truncation": _short(cut / len(rows)),
        "abstention": _short(1 - answered / len(rows)),
    }


def _answer(row: Row) -> str | None:
    text = row["extracted"]
    return text if isinstance(text, str) else None


def _interval(estimate: metrics.Estimate) -> list[JsonValue]:
    return [_short(estimate.low), _short(estimate.high)]


def _short(share: float) -> float:
    """Six decimals: far below any interval, and free of the last digits of a sum."""
    return round(share, 6)


def _percent(value: JsonValue) -> str:
    if isinstance(value, list):
        return " to ".join(_percent(each) for each in value)
    return f"{100 * value:.1f}" if isinstance(value, int | float) else ""
