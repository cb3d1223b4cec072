"""One engine as an actor of a Ray cluster, on whichever machine has room: `several` asks it like a process of its own.

The model must be at the same path on every machine, or be a name on the hub.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from mmupt.errors import MmuptError, UserError
from mmupt.sampling.protocol import Streaming
from mmupt.sampling.worker import Found, Job, Start, answer, open_engine

Result = TypeVar("Result")


class Engine:
    """The actor: an engine, and its answers as a stream."""

    def __init__(self, start: Start) -> None:
        self._sampler = open_engine(start)

    def streams(self) -> bool:
        """Whether the engine streams."""
        return isinstance(self._sampler, Streaming)

    def run(self, job: Job) -> Iterator[Found]:
        """The groups of a job, as they are finished."""
        yield from answer(self._sampler, job)


class RayWorker:
    """A worker somewhere in the cluster; see `LocalWorker`."""

    def __init__(self, start: Start, gpus: int) -> None:
        self._actor = ray.remote(num_gpus=gpus)(Engine).remote(start)

    def ready(self) -> bool:
        """Wait until the engine runs; whether it streams."""
        return bool(_told(lambda: ray.get(self._actor.streams.remote())))

    def run(self, job: Job) -> Iterator[Found]:
        """The groups of a job, as they are finished."""
        found = self._actor.run.options(num_returns="streaming").remote(job)
        while True:
            try:
                reference = _told(lambda: next(found))
            except StopIteration:
                return
            yield _told(partial(ray.get, reference))

    def close(self) -> None:
        """Give the actor's room back."""
        with suppress(RayError):
            ray.kill(self._actor)

    abandon = close


def cluster(address: str, gpus: int) -> Callable[[Start], RayWorker]:
    """Join the cluster; what starts an engine of so many GPUs in it (none, where the cluster has none)."""
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        fix = "start one with `ray start --head`, or leave out ray"
        raise UserError(f"no Ray cluster answers ({reason})", where=f"rollout.ray {address}", fix=fix) from error
    has = int(ray.cluster_resources().get("GPU", 0))
    return lambda start: RayWorker(start, gpus if has else 0)


def _told(ask: Callable[[], Result]) -> Result:
    """An engine's own error as it is; a lost machine as one line."""
    try:
        return ask()
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, MmuptError) else error) from None
    except RayActorError as error:
        cause = getattr(error, "cause", None)
        raise MmuptError(f"an engine in the Ray cluster is gone ({str(cause or error).splitlines()[0]})") from None
