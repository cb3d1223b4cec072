"""The learning rate as a pure function of the update, so that a resumed run has no scheduler to restore."""

import math

from mmupt.config.train import UpdateConfig


def learning_rate(settings: UpdateConfig, update: int, total: int) -> float:
    """The rate of update 0, 1, ... of `total`."""
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if update < warmup:
        return peak * (update + 1) / warmup
    if settings.schedule == "constant":
        return peak
    progress = (update - warmup) / max(1, total - warmup)
    return peak * (1 - progress if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress)))
