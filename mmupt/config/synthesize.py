"""Settings of `mmupt synthesize`."""

from typing import Literal

from mmupt.config.sampling import RolloutConfig
from mmupt.config.section import Section
from mmupt.errors import UserError


class QuestionRollout(RolloutConfig):
    """How questions are sampled."""

    max_tokens: int = 512
    """Longest question; a longer one is cut there, and dropped."""


class AnswersConfig(Section):
    """How the model answers a question when its vote is wanted. The defaults are MM-UPT's rollouts."""

    samples: int = 10
    """Answers for each vote; 0 keeps questions without a vote."""
    temperature: float = 0.7
    """0 is greedy."""
    top_p: float = 0.99
    """As in rollout."""
    max_tokens: int = 2048
    """Longest answer; a longer one abstains."""


class FilterConfig(Section):
    """Which of the written questions are kept."""

    max_characters: int = 1000
    """Longer questions (choices included) are dropped."""
    duplicate: float = 0.85
    """Token overlap (Jaccard, 0 to 1) from which two questions are near-duplicates; above 1 switches it off."""
    low: float = 0.3
    """Smallest vote share that is kept: below, the vote is likely wrong."""
    high: float = 0.8
    """Largest vote share that is kept: above, there is little left to learn."""


class SynthesizeConfig(Section):
    """What the model is shown, and what is kept of what it writes."""

    out: str
    """Folder of the run; it is a problem set afterwards, which train reads directly."""
    data: str = "tiny:train"
    """Problem set (its questions stay unused in direct mode), or a folder of pictures (direct mode only)."""
    model: str = "tiny"
    """Model folder or hub name; tiny is the embedded one."""
    mode: Literal["direct", "in-context"] = "direct"
    """From the picture alone, or beside an example question about it."""
    example_answer: Literal["none", "voted", "gold"] = "none"
    """Answer shown with the example question: none, the model's own voted one, or the gold one (which uses labels)."""
    count: int | None = None
    """Pictures (direct) or example questions (in-context) to write from, drawn by the seed; without it all."""
    per_image: int = 1
    """Questions written from each of them."""
    limit: int | None = None
    """Stop once this many questions are kept."""
    seed: int = 0
    """Where the draw and every completion's own seed come from."""
    chunk_size: int = 64
    """Pictures that are worked on and put on disk together; a killed run loses at most these."""
    rollout: QuestionRollout = QuestionRollout()
    """How questions are sampled."""
    answers: AnswersConfig = AnswersConfig()
    """How answers are sampled for a vote."""
    filter: FilterConfig = FilterConfig()
    """What is dropped."""

    def __post_init__(self) -> None:
        positive = {
            "count": self.count,
            "per_image": self.per_image,
            "limit": self.limit,
            "chunk_size": self.chunk_size,
        }
        for name, value in positive.items():
            if value is not None and value < 1:
                raise UserError(f"{name} = {value} leaves nothing to do", fix="use at least 1")
        if self.filter.low > self.filter.high:
            raise UserError("filter.low is above filter.high", fix="exchange them")
        if self.example_answer != "none" and self.mode == "direct":
            raise UserError("direct mode shows no example", fix='use mode = "in-context", or example_answer = "none"')
        if self.example_answer == "voted" and self.answers.samples < 1:
            raise UserError("a voted example answer needs answers", fix="set answers.samples to at least 1")
