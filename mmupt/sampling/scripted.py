"""Rollouts that are written down beforehand, or made by a rule: the engine `scripted`. It needs no model and no ML
library.

The model's name is a script (a .jsonl file, see `script`) or, for any other name, the built-in rule. A token is a
word; there are no log-probs, because there is no model.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from mmupt.sampling.protocol import SamplingParams, group_seeds
from mmupt.sampling.script import Rule, Script, read_script
from mmupt.types import Prompt, Rollout

AT_ONCE = 8
"""Groups that are under way together in a stream."""
WORD = re.compile(r"\s*\S+")


class ScriptedSampler:
    """Says what its script says."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> list[list[Rollout]]:
        """See `Sampler.sample`."""
        seeds = group_seeds(prompts, params, problem_seeds)
        return [self._group(prompt, seed, params) for prompt, seed in zip(prompts, seeds, strict=True)]

    def stream(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> Iterator[tuple[int, list[Rollout]]]:
        """See `Streaming.stream`. Of every few groups the short ones are finished first, as in a real engine."""
        seeds = group_seeds(prompts, params, problem_seeds)
        for start in range(0, len(prompts), AT_ONCE):
            places = range(start, min(start + AT_ONCE, len(prompts)))
            groups = [(place, self._group(prompts[place], seeds[place], params)) for place in places]
            yield from sorted(groups, key=lambda each: max(len(rollout.token_ids) for rollout in each[1]))

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _group(self, prompt: Prompt, seed: int, params: SamplingParams) -> list[Rollout]:
        return [self._rollout(prompt, index, seed + index, params) for index in range(params.n)]

    def _rollout(self, prompt: Prompt, index: int, seed: int, params: SamplingParams) -> Rollout:
        asked = prompt_text(prompt)
        said = WORD.findall(self.script.text(prompt.id, asked, index, seed if params.temperature > 0 else None))
        kept = said[: params.max_tokens]
        return Rollout(
            problem_id=prompt.id,
            index=index,
            text="".join(kept),
            token_ids=tuple(int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") for word in kept),
            logprobs=(),
            finish_reason="stop" if len(said) <= params.max_tokens else "length",
            seed=seed,
            prompt_tokens=len(WORD.findall(asked)) + len(prompt.images),
        )


def connect(model: str, *, right: float = 0.5, wrong: float = 0.3) -> ScriptedSampler:
    """The script called `model`, or the rule with these shares of right and wrong answers."""
    return ScriptedSampler(read_script(Path(model)) if model.endswith(".jsonl") else Rule(right, wrong))


def prompt_text(prompt: Prompt) -> str:
    """All text of the prompt's messages."""
    texts: list[str] = []
    for message in prompt.messages:
        content = message["content"]
        parts = content if isinstance(content, list) else [{"text": content}]
        texts += [str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part]
    return "\n".join(texts)
