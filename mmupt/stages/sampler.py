"""Settings -> a running sampler, for the stages that sample."""

from mmupt import sampling
from mmupt.config.sampling import RolloutConfig
from mmupt.sampling.protocol import Sampler


def open_sampler(rollout: RolloutConfig, model: str) -> Sampler:
    """Start the engine; pixel limits are passed on only where they are set, since not every engine sees pixels."""
    limits = {"min_pixels": rollout.min_pixels, "max_pixels": rollout.max_pixels}
    return sampling.open(rollout.engine, model, **{name: limit for name, limit in limits.items() if limit is not None})
