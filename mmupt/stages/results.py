"""Judged rows -> scores with intervals, breakdowns and rates, as in results.json. All shares are between 0 and 1."""

from collections.abc import Callable, Mapping, Sequence

from mmupt import console, metrics
from mmupt.benchmarks import Measures
from mmupt.types import JsonValue, Problem

Row = Mapping[str, JsonValue]
Measure = Callable[[Sequence[Problem], Sequence[bool]], Measures]


def score(
    asked: Sequence[Problem], rows: Sequence[Row], breakdowns: Sequence[str], measure: Measure | None = None
) -> dict[str, JsonValue]:
    """What is to be known of rows that hold the same number of responses for each problem, in the problems' order.

    `measure` gives the benchmark's own scores and tables, of one response a problem: with several, their mean.
    """
    samples = len(rows) // len(asked)
    rows_P_G = [rows[start : start + samples] for start in range(0, len(rows), samples)]
    correct_P_G = [[row["verdict"] == "correct" for row in group] for group in rows_P_G]
    estimates = {"accuracy": metrics.accuracy(correct_P_G)}
    if samples > 1:
        answers_P_G = [[_answer(row) for row in group] for group in rows_P_G]
        choices_P = [problem.choices for problem in asked]
        estimates[f"maj@{samples}"] = metrics.maj_at_k(answers_P_G, correct_P_G, samples, choices_P=choices_P)
        estimates[f"pass@{samples}"] = metrics.pass_at_k(correct_P_G, samples)
    if "second" in rows[0]:
        estimates |= _second(rows_P_G)
    own = _measured(measure, asked, correct_P_G)
    return {
        "scores": {**{name: _short(estimate.mean) for name, estimate in estimates.items()}, **own.scores},
        "intervals": {name: _interval(estimate) for name, estimate in estimates.items()},
        "breakdowns": {**{name: _breakdown(asked, correct_P_G, name) for name in breakdowns}, **own.tables},
        "rates": _rates(rows),
    }


def show(found: Mapping[str, JsonValue]) -> None:
    """One table of a benchmark's scores on the console."""
    scores, intervals, rates, origin = (found[key] for key in ("scores", "intervals", "rates", "provenance"))
    if not all(isinstance(part, dict) for part in (scores, intervals, rates, origin)):
        raise TypeError("results.json holds no scores")
    assert isinstance(scores, dict) and isinstance(intervals, dict)
    assert isinstance(rates, dict) and isinstance(origin, dict)
    rows = [[name, _percent(value), _percent(intervals.get(name))] for name, value in scores.items()]
    rows += [[f"{name} rate", _percent(value), ""] for name, value in rates.items()]
    missing = origin.get("without_response")
    left = f", {missing} more have no response and are left out" if missing else ""
    title = f"{found['benchmark']}: {found['n']} problems{left}; judge {found['judge']}"
    console.table(title, ["", "%", "95 % interval"], rows)


def averaged(values: Sequence[JsonValue]) -> JsonValue:
    """The mean of tables of the same shape, number by number; a null (a rate over nothing) is passed over."""
    known = [value for value in values if value is not None]
    first = known[0] if known else None
    if all(value == first for value in known):
        return first
    if all(isinstance(value, dict) for value in known):
        tables = [value for value in known if isinstance(value, dict)]
        names = dict.fromkeys(name for table in tables for name in table)
        return {name: averaged([table.get(name) for table in tables]) for name in names}
    numbers = [value for value in known if isinstance(value, int | float)]
    return _short(sum(numbers) / len(numbers)) if numbers else first


def _measured(measure: Measure | None, asked: Sequence[Problem], correct_P_G: Sequence[Sequence[bool]]) -> Measures:
    """The benchmark's own scores and tables; a score that not every sample defines is left out."""
    if measure is None:
        return Measures({}, {})
    found = [measure(asked, [bool(verdict) for verdict in verdicts_P]) for verdicts_P in zip(*correct_P_G, strict=True)]
    names = [name for name in found[0].scores if all(name in each.scores for each in found)]
    scores = {name: _short(sum(each.scores[name] for each in found) / len(found)) for name in names}
    tables = averaged([dict(each.tables) for each in found])
    return Measures(scores, tables if isinstance(tables, dict) else {})


def _second(rows_P_G: Sequence[Sequence[Row]]) -> dict[str, metrics.Estimate]:
    """Accuracy by the second opinion, and how often it agrees with the first verdict."""
    opinions_P_G = [[_opinion(row) for row in group] for group in rows_P_G]
    right = [[opinion == "correct" for opinion in group] for group in opinions_P_G]
    same = [
        [(row["verdict"] == "correct") == (opinion == "correct") for row, opinion in zip(*pair, strict=True)]
        for pair in zip(rows_P_G, opinions_P_G, strict=True)
    ]
    return {"second_accuracy": metrics.accuracy(right), "second_agreement": metrics.accuracy(same)}


def _opinion(row: Row) -> JsonValue:
    second = row["second"]
    return second["verdict"] if isinstance(second, dict) else None


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
