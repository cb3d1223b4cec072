"""Tokens that an engine made -> the rollouts of one group, in one way for all engines."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from mmupt.types import Rollout


@dataclass(frozen=True)
class Completion:
    """What an engine gives for one rollout."""

    token_ids: tuple[int, ...]
    """Up to and including the end-of-turn token, when there is one."""
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Rollouts:
    """Makes rollouts of completions."""

    tokenizer: PreTrainedTokenizerBase
    ends: tuple[int, ...]
    """Tokens that end a turn."""

    def group(self, problem_id: str, prompt_tokens: int, seed: int, made_G: Sequence[Completion]) -> list[Rollout]:
        """The rollouts of one prompt; rollout g was made with `seed` + g."""
        ids = [list(made.token_ids) for made in made_G]
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [
            Rollout(
                problem_id=problem_id,
                index=index,
                text=text,
                token_ids=made.token_ids,
                logprobs=made.logprobs,
                finish_reason="stop" if made.token_ids[-1] in self.ends else "length",
                seed=seed + index,
                prompt_tokens=prompt_tokens,
            )
            for index, (made, text) in enumerate(zip(made_G, texts, strict=True))
        ]
