"""The label-free numbers of one step: is the vote alive, or is everything turning into one answer?

They come from answers and votes alone, so they can be watched where no gold answer exists.
"""

import math
from collections import Counter
from collections.abc import Sequence

from mmupt.training.records import GroupRecord
from mmupt.training.update import UpdateResult

Metrics = dict[str, float | int | None]


def vote_signals(records: Sequence[GroupRecord]) -> Metrics:
    """Means over all completions of the step (reward, abstention, length, truncation) or over its groups (share, ties,
    winners); idle groups are counted, whether they run for a KL term or not."""
    rollouts = [rollout for record in records for rollout in record.rollouts_G]
    answers = [answer for record in records for answer in record.answers_G]
    keys = [key for record in records for key in record.keys_G if key is not None]
    logps = [value for rollout in rollouts for value in rollout.logprobs]
    return {
        "reward": _mean([reward for record in records for reward in record.rewards_G]),
        "vote_share": _mean([record.share for record in records]),
        "abstention": _mean([answer is None for answer in answers]),
        "tie_rate": _mean([record.tie for record in records]),
        "no_winner_rate": _mean([not record.winner for record in records]),
        "groups_idle": sum(record.idle for record in records),
        "common_answer_share": max(Counter(keys).values(), default=0) / max(1, len(answers)),
        "answer_entropy": _entropy(keys),
        "length": _mean([len(rollout.token_ids) for rollout in rollouts]),
        "truncation": _mean([rollout.finish_reason == "length" for rollout in rollouts]),
        "sampled_nll": -_mean(logps) if logps else None,
    }


def update_signals(results: Sequence[UpdateResult], learning_rate: float) -> Metrics:
    """What the updates of one step did; means over the tokens that ran are null where none ran."""
    tokens = sum(result.sums.tokens for result in results)
    compared = sum(result.sums.compared for result in results)

    def per_token(name: str) -> float | None:
        return sum(getattr(result.sums, name) for result in results) / tokens if tokens else None

    return {
        "loss": _mean([result.sums.loss for result in results]),
        "kl": per_token("kl"),
        "entropy": per_token("entropy"),
        "clip_rate": per_token("clipped"),
        "sampler_gap": sum(result.sums.sampler_gap for result in results) / compared if compared else None,
        "grad_norm": _mean([result.grad_norm for result in results]),
        "groups_trained": sum(result.trained for result in results),
        "groups_skipped": sum(result.skipped for result in results),
        "learning_rate": learning_rate,
    }


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / max(1, len(values))


def _entropy(keys: Sequence[str]) -> float:
    """Entropy in nats of the answers of all questions taken together; near zero when every question gets the same
    answer."""
    counts = Counter(keys).values()
    return -math.fsum(count / len(keys) * math.log(count / len(keys)) for count in counts) + 0.0
