"""The shapes that flow through mmupt, and nothing else.

Every room passes these frozen dataclasses on to the next one:
Problem -> Prompt -> Rollout -> Answer -> Vote -> reward, and on a benchmark Rollout -> Grade.
This module imports only the standard library, so that any room may import it.

Axis suffixes for nested sequences and tensors, used everywhere: ``_P`` problems, ``_G`` completions of one problem's
group, ``_T`` tokens of one completion, ``_L`` packed length. ``rewards_P_G[p][g]`` is the reward of completion g of
problem p.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length"]
JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A picture that is decoded only where pixels are needed. Exactly one of the two fields is set."""

    path: str | None = None
    """Path of the encoded file, absolute or relative to the working directory."""
    data: bytes | None = None
    """The encoded file itself (PNG, JPEG, ...)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One question about zero or more pictures."""

    id: str
    """Unique within its set."""
    question: str
    """The question's text, without choices and without the answer-format instruction."""
    images: tuple[ImageRef, ...] = ()
    choices: tuple[str, ...] = ()
    """Texts of the choices in order (A, B, ...); empty for a free-form question."""
    answer: str | None = None
    """The gold answer (for multiple choice: letter or text). None where it is masked, and where no label is known."""
    answer_type: str | None = None
    """What the gold is, where the data says so: "integer", "float", "text", "list", "expression", or "letter" where it
    is a choice's letter and never its text."""
    precision: int | None = None
    """Decimal places that a float answer is rounded to, where the data says so."""
    unit: str | None = None
    """Unit of the answer, where the data says so."""
    meta: Mapping[str, JsonValue] = field(default_factory=dict)
    """Anything to break results down by (skill, level, ...), and the provenance of a synthetic question."""
    shown: str | None = None
    """What a model is shown instead of question and choices, where a benchmark words it itself; "" is pictures only."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a sampler is given for one problem: chat messages and the pictures that their placeholders stand for."""

    id: str
    """Id of the problem."""
    messages: tuple[Mapping[str, JsonValue], ...]
    """Chat-template messages; a user's content is a list of {"type": "image"} and {"type": "text", "text": ...}."""
    images: tuple[ImageRef, ...] = ()
    """One picture for each {"type": "image"}, in order."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One sampled completion, with all that is needed to replay it."""

    problem_id: str
    index: int
    """Position g within the group, 0 <= g < G."""
    text: str
    """Decoded completion without special tokens."""
    token_ids: tuple[int, ...]
    """Completion tokens, the end-of-turn token included when there is one."""
    logprobs: tuple[float, ...]
    """Natural log-probability of each token under the sampling model at temperature 1; () when the sampler has none."""
    finish_reason: FinishReason
    """"length" means truncated at max_tokens: such a completion abstains."""
    seed: int
    """The seed that made it."""
    prompt_tokens: int
    """Processed prompt length in tokens, image tokens included."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read out of one completion."""

    text: str | None
    """The extracted answer as written; None means that the completion abstains."""
    reason: str
    """Where the answer was found ("box", "tag", "phrase"), or why there is none ("no-box", "truncated", ...)."""


@dataclass(frozen=True, slots=True)
class Vote:
    """The outcome of one group's vote over classes of equal answers."""

    label: str | None
    """A representative of the winning class; None when nobody wins (all abstain, a tie, or below a threshold)."""
    share: float
    """Members of the winning (or, without a winner, the largest) class divided by G, abstentions included in G."""
    abstentions: int
    """Completions without an answer."""
    tie: bool
    """Two or more classes are the largest."""
    classes: tuple[int | None, ...]
    """For each completion the number of its class (0, 1, ... in order of first appearance); None abstains."""
    counts: tuple[int, ...]
    """Members of each class."""
    winner: int | None
    """Number of the winning class; None when nobody wins."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on one response against the gold answer."""

    correct: bool
    answer: str | None
    """The extracted answer; None means that the response abstained."""
    reason: str
    """One phrase that explains the verdict."""
