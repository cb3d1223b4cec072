"""Settings of `mmupt eval`."""

from mmupt.config.sampling import RolloutConfig
from mmupt.config.section import Section
from mmupt.errors import UserError


class EvaluateRollout(RolloutConfig):
    """Sampling for scores: MM-UPT evaluates at a low temperature."""

    temperature: float = 0.2
    """0 is greedy."""


class EvaluateConfig(Section):
    """A model, a benchmark, and how its answers are sampled."""

    out: str
    """Folder of the run."""
    bench: str = "tiny"
    """Benchmark; several are separated by commas, and then each has a folder of its own within the run."""
    model: str = "tiny"
    """Model folder or hub name; tiny is the embedded one."""
    split: str | None = None
    """Split of the benchmark; without it the benchmark's own default."""
    data: str | None = None
    """Local file or folder to read the benchmark from, instead of its usual place."""
    samples: int = 1
    """k, sampled responses for each problem."""
    limit: int | None = None
    """At most this many problems: always the same ones, spread evenly over the benchmark's families."""
    seed: int = 0
    """Where every response's own seed comes from."""
    chunk_size: int = 64
    """Problems that are sampled together and put on disk together; a killed run loses at most these."""
    rollout: EvaluateRollout = EvaluateRollout()
    """How responses are sampled."""

    def __post_init__(self) -> None:
        for name, value in {"samples": self.samples, "chunk_size": self.chunk_size, "limit": self.limit}.items():
            if value is not None and value < 1:
                raise UserError(f"{name} = {value} leaves nothing to do", fix="use at least 1")
        if not self.names():
            raise UserError("no benchmark is named", fix="give --bench tiny")

    def names(self) -> tuple[str, ...]:
        """The benchmarks, in the order in which they were given, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.bench.split(",") if name.strip()))
