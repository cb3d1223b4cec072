"""Settings of `mmupt audit`."""

from mmupt.config.sampling import RolloutConfig
from mmupt.config.section import Section
from mmupt.config.vote import VoteConfig
from mmupt.errors import UserError


class AuditLimits(Section):
    """From where on the audit says that a model cannot vote on this data; docs/guard.md has the measurements."""

    abstention: float = 0.5
    """Largest share of completions without an answer."""
    useful: float = 0.1
    """Smallest share of questions whose group has a winner and is not of one mind: the others teach nothing."""
    amplification: float = 0.2
    """How much more often the votes may choose their most common label than completions give that answer."""


class AuditConfig(Section):
    """`mmupt audit`: can this model vote on this data? No answer is read unless `labels` asks for it."""

    out: str = "runs/audit"
    """Folder of the run."""
    model: str = "tiny"
    """Model folder or hub name; tiny is the embedded one."""
    data: str = "tiny:train"
    """Problem set, as mmupt train takes it."""
    limit: int | None = 200
    """Questions that are asked: the first that a training with this seed would ask; null asks all."""
    samples: int = 10
    """Completions of each question, as many as would vote."""
    seed: int = 0
    """Which questions are asked, and every completion, are derived from it."""
    system: str | None = None
    """System prompt; null leaves it to the chat template."""
    chunk_size: int = 64
    """Questions that are sampled together and put on disk together."""
    labels: bool = False
    """Also tell how often votes and completions are right, where the data has answers."""
    rollout: RolloutConfig = RolloutConfig()
    """As the training would sample."""
    vote: VoteConfig = VoteConfig()
    limits: AuditLimits = AuditLimits()

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise UserError(f"samples = {self.samples} cannot vote", fix="use 2 or more")
        for name, value in {"limit": self.limit, "chunk_size": self.chunk_size}.items():
            if value is not None and value < 1:
                raise UserError(f"{name} = {value} leaves nothing to do", fix="use at least 1")
        if self.rollout.temperature == 0:
            raise UserError("rollout.temperature = 0 makes all completions the same", fix="use a number above 0")
