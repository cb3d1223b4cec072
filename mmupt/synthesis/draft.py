"""One completion of a synthesis prompt, from what was written to the verdict on it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mmupt.problems.problem_set import image_digest
from mmupt.synthesis.filters import Seen, vote_fault
from mmupt.synthesis.parse import Rejected, Written, parse
from mmupt.types import JsonValue, Problem, Prompt, Rollout, Vote

KEPT = "kept"
UNPARSEABLE = "unparseable"
DUPLICATE = "near-duplicate"


@dataclass(frozen=True, slots=True)
class Draft:
    """A completion that was read, before any vote."""

    id: str
    source: Problem
    prompt: Prompt
    rollout: Rollout
    example: str | None
    """The example answer that was shown."""
    read: Written | Rejected
    fault: str | None
    """UNPARSEABLE or DUPLICATE; None while nothing speaks against it."""

    def problem(self) -> Problem:
        """The question as one that can be asked."""
        if isinstance(self.read, Rejected):
            raise ValueError(f"{self.id} holds no question: {self.read.reason}")
        return Problem(self.id, self.read.question, self.prompt.images, self.read.choices)


def read_drafts(
    source: Problem, prompt: Prompt, group: Sequence[Rollout], example: str | None, seen: Seen, max_characters: int
) -> list[Draft]:
    """The completions of one prompt, in order; `seen` learns the new questions."""
    picture = picture_key(source)
    drafts = []
    for rollout in group:
        truncated = rollout.finish_reason == "length"
        read = parse(rollout.text, truncated=truncated, max_characters=max_characters)
        if isinstance(read, Rejected):
            fault: str | None = UNPARSEABLE
        else:
            fault = None if seen.is_new(picture, read.question, source.question or None) else DUPLICATE
        drafts.append(Draft(f"{prompt.id}:{rollout.index}", source, prompt, rollout, example, read, fault))
    return drafts


def picture_key(source: Problem) -> str:
    """What "the same picture" means: the digests of all pictures of a source."""
    return hashlib.sha256("".join(image_digest(ref) for ref in source.images).encode()).hexdigest()[:16]


def to_row(draft: Draft, vote: Vote | None, low: float, high: float) -> dict[str, JsonValue]:
    """The row of generations.jsonl: all that was shown, written and decided."""
    written = draft.read if isinstance(draft.read, Written) else None
    fault = draft.fault or (vote_fault(vote, low, high) if vote is not None else None)
    return {
        "id": draft.id,
        "source": draft.source.id,
        "picture": picture_key(draft.source),
        "prompt": prompt_text(draft.prompt),
        "example_answer": draft.example,
        "response": draft.rollout.text,
        "finish_reason": draft.rollout.finish_reason,
        "tokens": len(draft.rollout.token_ids),
        "seed": draft.rollout.seed,
        "question": written.question if written else None,
        "choices": list(written.choices) if written else [],
        "verdict": fault or KEPT,
        "reason": draft.read.reason if isinstance(draft.read, Rejected) else None,
        "vote": _told(vote) if vote is not None else None,
    }


def prompt_text(prompt: Prompt) -> str:
    """The texts of the user's turn, without the pictures."""
    content = prompt.messages[-1]["content"]
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


def _told(vote: Vote) -> dict[str, JsonValue]:
    return {"label": vote.label, "share": vote.share, "abstentions": vote.abstentions, "tie": vote.tie}
