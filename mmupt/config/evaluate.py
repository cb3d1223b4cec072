"""Settings of `mmupt eval`."""

from collections.abc import Mapping
from pathlib import Path

from mmupt.config.protocols import MAX_PIXELS, MAX_TOKENS, MIN_PIXELS, SYSTEM, protocol
from mmupt.config.sampling import RolloutConfig
from mmupt.config.section import Section
from mmupt.errors import UserError
from mmupt.types import JsonValue

_EMBEDDED = "tiny"


class EvaluateRollout(RolloutConfig):
    """Sampling for scores. The defaults are those of the protocol mm-upt; the protocol's name stands for them."""

    temperature: float = 0.2
    """0 is greedy."""
    top_p: float = 1.0
    """Tokens are drawn from the smallest set of most likely tokens that holds at least this much probability."""
    max_tokens: int = MAX_TOKENS
    """Longest response; a longer one is cut there, and abstains."""
    min_pixels: int | None = MIN_PIXELS
    """Smaller pictures are enlarged to this many pixels; with null the model's own processor decides."""
    max_pixels: int | None = MAX_PIXELS
    """Larger pictures are shrunk to this many pixels; with null the model's own processor decides."""


class SecondRollout(RolloutConfig):
    """How the model that gives a second opinion is asked: short and greedy."""

    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """Tokens are drawn from the smallest set of most likely tokens that holds at least this much probability."""
    max_tokens: int = 1024
    """Longest opinion; a longer one is cut there, and counts as unclear."""


class EvaluateConfig(Section):
    """A model, benchmarks, how answers are sampled and who judges them; or responses that exist already."""

    out: str
    """Folder of the run."""
    bench: str | None = None
    """Benchmark, or the path of a benchmark file of your own (.py); several are separated by commas, and then each has
    a folder of its own within the run. Without it tiny, or those of the run that is scored again."""
    model: str = _EMBEDDED
    """Model folder or hub name; tiny is the embedded one."""
    split: str | None = None
    """Split of the benchmark; without it the benchmark's own default."""
    data: str | None = None
    """Local file or folder to read the benchmark from, instead of its usual place."""
    responses: str | None = None
    """A .jsonl file with responses (id, response; index and finish_reason where there are any) to score instead of
    sampling from a model. Problems without a response are left out."""
    rescore: str | None = None
    """Folder of a finished run whose responses are scored again; it stays as it is."""
    judge: str = "boxed"
    """Who judges; `mmupt list judges` shows all."""
    judge_model: str | None = None
    """The model that the judge llm asks for a second opinion."""
    ids: str | None = None
    """Only these problems: ids separated by commas, or a file with one id a line."""
    limit: int | None = None
    """At most this many problems: always the same ones, spread evenly over the benchmark's families."""
    samples: int = 1
    """k, sampled responses for each problem."""
    protocol: str = "mm-upt"
    """Name for how the model is asked: it stands for `system` and what `rollout` says of sampling and pixels. Without
    it tiny where only the embedded benchmark is asked, else mm-upt."""
    system: str | None = SYSTEM
    """The system turn; with null the model's chat template decides."""
    seed: int = 0
    """Where every response's own seed comes from."""
    chunk_size: int = 64
    """Problems that are sampled together and put on disk together; a killed run loses at most these."""
    rollout: EvaluateRollout = EvaluateRollout()
    """How responses are sampled."""
    second: SecondRollout = SecondRollout()
    """How the judge llm's model is started and asked."""

    @classmethod
    def implied(cls, settings: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The protocol's settings, and a folder beside the run that is scored again."""
        asked = settings.get("bench") or _EMBEDDED
        name = settings.get("protocol") or (_EMBEDDED if asked == _EMBEDDED else "mm-upt")
        stands_for = protocol(name) if isinstance(name, str) else {}
        rescored = settings.get("rescore")
        beside = {"out": f"{Path(rescored)}-{settings.get('judge', 'boxed')}"} if isinstance(rescored, str) else {}
        return {**stands_for, **beside, "protocol": name}

    def __post_init__(self) -> None:
        for name, value in {"samples": self.samples, "chunk_size": self.chunk_size, "limit": self.limit}.items():
            if value is not None and value < 1:
                raise UserError(f"{name} = {value} leaves nothing to do", fix="use at least 1")
        if self.bench is not None and not self.names():
            raise UserError("no benchmark is named", fix="give --bench tiny")
        if self.responses is not None and self.rescore is not None:
            raise UserError("responses come from a file or from a run", fix="give --responses or --rescore, not both")
        if self.responses is not None and len(self.names()) > 1:
            raise UserError("one file of responses belongs to one benchmark", fix="score each benchmark by itself")
        if (self.judge == "llm") != (self.judge_model is not None):
            fix = "give --judge llm and --judge-model MODEL together"
            raise UserError("the judge llm and its model belong together", fix=fix)

    def names(self) -> tuple[str, ...]:
        """The benchmarks, in the order in which they were given, each once."""
        named = _EMBEDDED if self.bench is None else self.bench
        return tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
