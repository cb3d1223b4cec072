"""An evaluation's responses as cards that a reader can filter by verdict and by group."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from mmupt.prompts import question_text
from mmupt.reporting.blocks import Asked, Facet, Responses, Said
from mmupt.reporting.pictures import Budget, of_benchmark
from mmupt.reporting.runs import Row, Scored, mapping
from mmupt.types import JsonValue, Problem

MOST = 1_000
"""Responses on one page; samples.jsonl has all."""
NOT_CORRECT = 0.75
"""Share of the places that questions with a wrong or missing answer take first."""
HEAD, TAIL = 2_000, 4_000
"""Characters of a long response that are shown, from its beginning and from its end."""


def response_cards(one: Scored, known: Mapping[str, Problem] | None = None, *, most: int = MOST) -> Responses:
    """One card a question, with all its responses; without `known` the pictures come from where the problems did."""
    asked = {str(row["id"]): row for row in one.questions}
    ids = [id for id in asked if id in one.samples_of]
    shown = _chosen(ids, one, most)
    facets = tuple(_facets(one, [asked[id] for id in shown]))
    places = {
        (facet.name, value): at
        for at, (facet, value) in enumerate((facet, value) for facet in facets for value in facet.values)
    }
    found, budget = of_benchmark(one) if known is None else known, Budget()
    cards = tuple(
        Asked(
            id,
            budget.pictures(found.get(id)),
            question_text(str(asked[id]["question"]), _choices(asked[id])),
            _text(asked[id]["gold"]),
            tuple(at for (name, value), at in places.items() if value in _values(asked[id], name)),
            tuple(map(_said, one.samples_of[id])),
        )
        for id in shown
    )
    caption = f"Responses to {len(shown)} of {len(ids)} questions" if len(shown) < len(ids) else "Responses"
    return Responses(caption, facets, cards)


def _chosen(ids: Sequence[str], one: Scored, most: int) -> list[str]:
    """The questions that fit on the page, in their own order: the same ones for the same verdicts."""
    places = max(1, most // max(len(one.samples_of[id]) for id in ids))
    if len(ids) <= places:
        return list(ids)
    spread = sorted(ids, key=lambda id: sha256(id.encode()).hexdigest())
    failed = [id for id in spread if not all(one.correct(id))]
    first = failed[: int(places * NOT_CORRECT)]
    rest = [id for id in spread if all(one.correct(id))] + failed[len(first) :]
    kept = {*first, *rest[: places - len(first)]}
    return [id for id in ids if id in kept]


def _facets(one: Scored, rows: Sequence[Row]) -> Iterator[Facet]:
    """What the benchmark breaks its accuracy down by, where the questions shown differ in it."""
    for name in mapping(one.results["breakdowns"]):
        values = sorted({value for row in rows for value in _values(row, name)})
        if len(values) > 1:
            yield Facet(name, tuple(values))


def _values(row: Row, name: str) -> list[str]:
    meta = row["meta"]
    value = meta.get(name) if isinstance(meta, dict) else None
    return [str(each) for each in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _choices(row: Row) -> tuple[str, ...]:
    return tuple(map(str, row["choices"])) if isinstance(row["choices"], list) else ()


def _said(row: Row) -> Said:
    second = row.get("second")
    return Said(
        str(row["verdict"]),
        _text(row["extracted"]),
        str(row["reason"]),
        shortened(str(row["response"])),
        row["finish_reason"] == "length",
        str(second["verdict"]) if isinstance(second, Mapping) else None,
        shortened(str(second["reply"])) if isinstance(second, Mapping) else None,
    )


def shortened(text: str) -> str:
    """A long text without its middle."""
    left = len(text) - HEAD - TAIL
    return text if left <= 0 else f"{text[:HEAD]}\n[... {left} characters left out ...]\n{text[-TAIL:]}"


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
