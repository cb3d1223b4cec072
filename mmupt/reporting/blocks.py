"""What a report is made of. Plain data: the renderers decide how it looks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from mmupt.types import JsonValue

Mark = Literal["right", "wrong", "none", "unknown"]
Cell = str | int | float | None


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Table:
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Line:
    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    colour: int = 0
    """Number of the run: the same colour in every plot, and for all its seeds."""


@dataclass(frozen=True)
class Plot:
    """Curves over the same axis."""

    caption: str
    x_label: str
    lines: tuple[Line, ...]
    bars: bool = False
    """Bars side by side instead of curves."""


@dataclass(frozen=True)
class Interval:
    label: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Means with their 95 % intervals, one below the other."""

    caption: str
    rows: tuple[Interval, ...]


@dataclass(frozen=True)
class Tally:
    """Completions of one group that gave the same answer."""

    answer: str | None
    """None: no answer."""
    count: int
    mark: Mark
    voted: bool
    """Whether this answer won the vote."""


@dataclass(frozen=True)
class Answers:
    """One model's answers to one question."""

    label: str
    tallies: tuple[Tally, ...]
    example: str
    """One whole response."""


@dataclass(frozen=True)
class Question:
    """A question as a card."""

    id: str
    pictures: tuple[bytes, ...]
    """PNG or JPEG files."""
    text: str
    gold: str | None
    note: str
    answers: tuple[Answers, ...]


@dataclass(frozen=True)
class Questions:
    caption: str
    cards: tuple[Question, ...]


@dataclass(frozen=True)
class Facet:
    """Something that questions can be told apart by."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """One response with its verdict."""

    verdict: str
    """correct, wrong or abstained."""
    extracted: str | None
    reason: str
    text: str
    cut: bool
    """Whether it was cut off at the longest length."""
    second: str | None = None
    """The second opinion's verdict, where one was asked for."""
    reply: str | None = None
    """What the second opinion said."""

    @property
    def disputed(self) -> bool:
        """Whether the two verdicts differ on what is correct."""
        return self.second is not None and (self.second == "correct") != (self.verdict == "correct")


@dataclass(frozen=True)
class Asked:
    """A question with all responses to it."""

    id: str
    pictures: tuple[bytes, ...]
    """PNG or JPEG files."""
    text: str
    gold: str | None
    groups: tuple[int, ...]
    """Numbers of its values, counted through all facets."""
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Responses:
    """Responses that can be filtered by verdict and by facet."""

    caption: str
    facets: tuple[Facet, ...]
    cards: tuple[Asked, ...]


@dataclass(frozen=True)
class Verbatim:
    """A text as it was written."""

    caption: str
    text: str


Block = Heading | Paragraph | Table | Plot | Intervals | Questions | Responses | Verbatim


@dataclass(frozen=True)
class Report:
    title: str
    blocks: tuple[Block, ...]


def as_json(report: Report) -> dict[str, JsonValue]:
    """Everything but pictures and responses."""
    return {"title": report.title, "blocks": [_plain(block) for block in report.blocks]}


def _plain(block: Block) -> JsonValue:
    kind = type(block).__name__.lower()
    if isinstance(block, Questions):
        cards: list[JsonValue] = [{k: v for k, v in asdict(card).items() if k != "pictures"} for card in block.cards]
        return {"kind": kind, "caption": block.caption, "cards": cards}
    if isinstance(block, Responses):  # they lie in samples.jsonl, whole
        return {"kind": kind, "caption": block.caption, "ids": [card.id for card in block.cards]}
    return {"kind": kind, **asdict(block)}


def percent(share: float) -> str:
    """0.5634 -> "56.3"."""
    return f"{100 * share:.1f}"


def spread(mean: float, interval: Sequence[float]) -> str:
    """A share with its interval, in per cent: "56.3 [54.0, 58.6]"."""
    return f"{percent(mean)} [{percent(interval[0])}, {percent(interval[1])}]"


def signed(mean: float, interval: Sequence[float]) -> str:
    """A difference with its interval, in points: "+22.8 [+20.1, +25.5]"."""
    low, high = (f"{100 * bound:+.1f}" for bound in interval)
    return f"{100 * mean:+.1f} [{low}, {high}]"
