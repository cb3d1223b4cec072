"""How completions are sampled: the settings that synthesize, train and evaluate share."""

from mmupt.config.section import Section
from mmupt.errors import UserError


class RolloutConfig(Section):
    """The defaults are MM-UPT's rollouts; a stage with other defaults says so in a subclass."""

    engine: str = "auto"
    """auto, vllm, transformers or scripted; auto takes vLLM on a GPU, and what is fastest for the model on a CPU."""
    temperature: float = 0.7
    """0 is greedy."""
    top_p: float = 0.99
    """Tokens are drawn from the smallest set of most likely tokens that holds at least this much probability."""
    max_tokens: int = 2048
    """Longest completion; a longer one is cut there, and abstains."""
    min_pixels: int | None = None
    """Smaller pictures are enlarged to this many pixels; without it the model's own processor decides."""
    max_pixels: int | None = None
    """Larger pictures are shrunk to this many pixels; without it the model's own processor decides."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise UserError(f"temperature = {self.temperature} is negative", fix="use 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p = {self.top_p} is no share", fix="use a number above 0 and up to 1")
        if self.max_tokens < 1:
            raise UserError(f"max_tokens = {self.max_tokens} leaves no room for an answer", fix="use at least 1")
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise UserError("min_pixels is larger than max_pixels", fix="exchange them")
