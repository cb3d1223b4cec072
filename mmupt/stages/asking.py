"""Questions asked of the model, and its votes on them."""

from collections.abc import Sequence

from mmupt.answers import extract
from mmupt.config.synthesize import AnswersConfig
from mmupt.prompts import answer_prompt
from mmupt.sampling.protocol import Sampler, SamplingParams
from mmupt.types import Problem, Rollout, Vote
from mmupt.voting import vote


def voted(sampler: Sampler, asked: Sequence[Problem], how: AnswersConfig, seed: int) -> list[tuple[Problem, Vote]]:
    """Each problem with its vote; nothing at all when no answers are to be sampled."""
    if not asked or how.samples == 0:
        return []
    params = SamplingParams(how.samples, how.temperature, how.top_p, how.max_tokens, seed)
    groups = sampler.sample([answer_prompt(problem) for problem in asked], params)
    return [(problem, _vote(problem, group)) for problem, group in zip(asked, groups, strict=True)]


def _vote(problem: Problem, group: Sequence[Rollout]) -> Vote:
    answers = [
        extract(rollout.text, truncated=rollout.finish_reason == "length", choices=problem.choices) for rollout in group
    ]
    return vote(answers, choices=problem.choices)
