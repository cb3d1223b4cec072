"""What a sampler is: prompts and sampling settings in, whole groups of rollouts out.

For prompts P and n completions each, `sample` gives P lists of n rollouts, in order. The same input gives the same
output, bit for bit, in any process and whatever was sampled before. Nothing is voted, graded or filtered here, and no
gold answer is seen.

Log-probabilities are natural logarithms under the model itself: temperature 1, before top-p, before image tokens are
ruled out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mmupt.errors import UserError
from mmupt.types import Prompt, Rollout

SEED_BITS = 48
"""Seeds stay exact wherever they are written: JSON readers hold 53 bits."""


@dataclass(frozen=True)
class SamplingParams:
    """How to sample. The defaults are MM-UPT's rollouts."""

    n: int = 10
    """G, completions for each prompt."""
    temperature: float = 0.7
    """0 is greedy: the most likely token, always."""
    top_p: float = 0.99
    """Tokens are drawn from the smallest set of most likely tokens that holds at least this much probability."""
    max_tokens: int = 2048
    """Longest completion; one that reaches it without the end-of-turn token has finish_reason "length"."""
    seed: int = 0
    """Where prompts have no seed of their own, each one's is derived from this and its id."""
    logprobs: bool = True
    """Whether log-probs are asked for; an engine that has them at no cost gives them anyway."""

    def __post_init__(self) -> None:
        rules = (
            ("n", self.n >= 1, "use 1 or more"),
            ("temperature", self.temperature >= 0, "use 0 (greedy) or more"),
            ("top_p", 0 < self.top_p <= 1, "use a number above 0 and up to 1"),
            ("max_tokens", self.max_tokens >= 1, "use 1 or more"),
        )
        for name, right, fix in rules:
            if not right:
                raise UserError(f"{name} = {getattr(self, name)} cannot be sampled with", where="sampling", fix=fix)


class Sampler(Protocol):
    """A source of rollouts, which may hold a model, a GPU or processes until it is closed."""

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> list[list[Rollout]]:
        """One list of `params.n` rollouts for each prompt.

        `problem_seeds`, one for each prompt, replace those that are made of `params.seed` and the prompt's id.
        """

    def close(self) -> None:
        """Give back memory and processes; the sampler is not used again."""


@runtime_checkable
class Streaming(Protocol):
    """A sampler that need not be asked in chunks: what it gives for one prompt does not depend on the others, but for
    rounding."""

    def stream(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> Iterator[tuple[int, list[Rollout]]]:
        """The groups of `sample`, each with the position of its prompt, as they are finished."""


@runtime_checkable
class Parallel(Protocol):
    """A sampler that works on several chunks at once."""

    def sample_chunks(
        self, chunks: Sequence[Sequence[Prompt]], params: SamplingParams
    ) -> Iterator[tuple[int, list[list[Rollout]]]]:
        """What `sample` gives for each chunk, with the chunk's number, as they are finished."""


def derive_seed(*parts: object) -> int:
    """A seed that depends on the text of all parts and nothing else."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)


def group_seeds(prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None) -> list[int]:
    """One seed for each group; rollout g is made with its group's seed + g, which is also how vLLM counts."""
    if problem_seeds is None:
        return [derive_seed(params.seed, prompt.id) for prompt in prompts]
    if len(problem_seeds) != len(prompts):
        raise ValueError(f"{len(problem_seeds)} seeds for {len(prompts)} prompts")
    # Hashed, so that neighbouring problem seeds do not give neighbouring groups the same noise.
    return [derive_seed(seed) for seed in problem_seeds]
