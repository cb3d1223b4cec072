"""Responses as a page that is filtered without a script: one radio button chosen hides by style what does not fit.

Two choices work together: the verdict, and one value of one facet. The style rules name numbers only, never a text
that came from data.
"""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from itertools import count

from mmupt.reporting.blocks import Asked, Facet, Responses, Said

_VERDICTS = {
    "is-correct": "correct",
    "is-wrong": "wrong",
    "is-abstained": "abstained",
    "is-cut": "truncated",
    "is-disputed": "second opinion differs",
}
"""Class of a response -> what its filter is called."""


def browser(block: Responses) -> str:
    """Buttons, their rules, and the cards."""
    marks = [mark for card in block.cards for said in card.said for mark in _marks(said)]
    kinds = [kind for kind in _VERDICTS if kind in marks]
    numbers = count()
    groups = [(facet, [next(numbers) for _ in facet.values]) for facet in block.facets]
    buttons = [f"v-{kind}" for kind in ("all", *kinds)] + [f"g{at}" for _, each in groups for at in each]
    inputs = "".join(_input(button) for button in [*buttons, "g-all"])
    told = "".join(_label(f"v-{kind}", f"{_VERDICTS[kind]} ({marks.count(kind)})") for kind in kinds)
    line = f"<p>{_label('v-all', f'all ({sum(len(card.said) for card in block.cards)})')}{told}</p>"
    rows = "".join(_facet(facet, each, block.cards) for facet, each in groups)
    facets = f"<details><summary>groups</summary>{_label('g-all', 'all groups')}{rows}</details>" if groups else ""
    cards = "\n".join(map(_card, block.cards))
    return (
        f"<h3>{escape(block.caption)}</h3>\n<style>{''.join(_rules(kinds, groups))}</style>\n"
        f'<div class="browse">{inputs}<div class="filters">{line}{facets}</div>\n<div class="list">{cards}</div></div>'
    )


def image(data: bytes) -> str:
    """A picture inside the page."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f'<img alt="" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _input(button: str) -> str:
    kind = "verdict" if button.startswith("v-") else "group"
    checked = " checked" if button.endswith("-all") else ""
    return f'<input type="radio" name="{kind}" id="{button}"{checked}>'


def _label(button: str, text: str) -> str:
    return f'<label for="{button}">{escape(text)}</label>'


def _facet(facet: Facet, numbers: Sequence[int], cards: Sequence[Asked]) -> str:
    sizes = [sum(at in card.groups for card in cards) for at in numbers]
    told = (_label(f"g{at}", f"{value} ({size})") for at, value, size in zip(numbers, facet.values, sizes, strict=True))
    return f"<p><b>{escape(facet.name)}</b> {''.join(told)}</p>"


def _rules(kinds: Sequence[str], groups: Sequence[tuple[Facet, Sequence[int]]]) -> Iterator[str]:
    for kind in kinds:
        yield f"#v-{kind}:checked~.list .ask:not(.{kind}),#v-{kind}:checked~.list .said:not(.{kind}){{display:none}}"
    for _, numbers in groups:
        for at in numbers:
            yield f"#g{at}:checked~.list .ask:not(.g{at}){{display:none}}"
    buttons = [*(f"v-{kind}" for kind in ("all", *kinds)), "g-all", *(f"g{at}" for _, each in groups for at in each)]
    chosen = ",".join(f"#{button}:checked~.filters [for={button}]" for button in buttons)
    focused = ",".join(f"#{button}:focus-visible~.filters [for={button}]" for button in buttons)
    yield f"{chosen}{{background:var(--accent);border-color:var(--accent);color:var(--paper)}}"
    yield f"{focused}{{outline:2px solid var(--ink)}}"


def _marks(said: Said) -> list[str]:
    """Classes of a response."""
    return [f"is-{said.verdict}", *(["is-cut"] if said.cut else []), *(["is-disputed"] if said.disputed else [])]


def _card(card: Asked) -> str:
    marks = dict.fromkeys(mark for said in card.said for mark in _marks(said))
    classes = " ".join(["ask", *marks, *(f"g{at}" for at in card.groups)])
    pictures = "".join(map(image, card.pictures))
    gold = f'<div class="who">gold: {escape("" if card.gold is None else card.gold)}</div>'
    told = f'<div class="id">{escape(card.id)}</div><div class="question">{escape(card.text)}</div>{gold}'
    return f'<div class="{classes}"><div>{pictures}{told}</div><div>{"".join(map(_said, card.said))}</div></div>'


def _said(said: Said) -> str:
    marks = " ".join(_marks(said))
    answer = "no answer" if said.extracted is None else said.extracted
    cut = ", truncated" if said.cut else ""
    second = "" if said.second is None else f' <span class="who">second opinion: {escape(said.second)}</span>'
    why = f'<span class="who">{escape(said.reason)}{cut}</span>'
    head = f"<summary><b>{escape(said.verdict)}</b> {escape(answer)} {why}{second}</summary>"
    reply = "" if said.reply is None else f"<pre>{escape(said.reply)}</pre>"
    return f'<details class="said {marks}" open>{head}<pre>{escape(said.text)}</pre>{reply}</details>'
