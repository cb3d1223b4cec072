"""One engine in a process of its own: jobs in, groups of rollouts out as they are finished.

The process is spawned, so that it sees its own GPUs and shares no state with this one. It ends when it is closed, and
when the process that started it is gone: on Linux at once, elsewhere at the end of its job.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from mmupt import registry
from mmupt.errors import MmuptError
from mmupt.lifeline import die_with_parent
from mmupt.sampling.protocol import Sampler, SamplingParams, Streaming
from mmupt.types import Prompt, Rollout

Found = tuple[int, list[Rollout]]
PATIENCE = 5.0
"""Seconds that a closed engine has to end by itself."""


@dataclass(frozen=True)
class Start:
    """How a worker opens its engine."""

    engine: str
    model: str
    options: Mapping[str, object]
    environment: Mapping[str, str]
    """Set before anything is imported: which GPUs it sees."""


@dataclass(frozen=True)
class Job:
    """Prompts that are sampled together, each with its position in the caller's list."""

    positions: Sequence[int]
    prompts: Sequence[Prompt]
    params: SamplingParams
    seeds: Sequence[int] | None


def open_engine(start: Start) -> Sampler:
    """The engine itself; called in the worker."""
    os.environ.update(start.environment)
    sampler: Sampler = registry.load("mmupt.sampling", start.engine, defines="connect").connect(
        start.model, **start.options
    )
    return sampler


def answer(sampler: Sampler, job: Job) -> Iterator[Found]:
    """The groups of a job; called in the worker."""
    if isinstance(sampler, Streaming):
        for place, group in sampler.stream(job.prompts, job.params, job.seeds):
            yield job.positions[place], group
    else:
        groups = sampler.sample(job.prompts, job.params, job.seeds)
        # A generator, not the zip itself: Ray sends to what it iterates, and a zip takes nothing.
        yield from (found for found in zip(job.positions, groups, strict=True))


class LocalWorker:
    """A worker on this machine. It starts at once; `ready` waits for its engine."""

    def __init__(self, start: Start) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, start, os.getpid()))
        self._process.start()
        theirs.close()

    def ready(self) -> bool:
        """Wait until the engine runs; whether it streams. What it fails with is raised here."""
        return bool(self._next())

    def run(self, job: Job) -> Iterator[Found]:
        """The groups of a job, as they are finished."""
        with contextlib.suppress(OSError):  # the process is gone, which reading tells
            self._connection.send(job)
        while (found := self._next()) is not None:
            yield found

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._connection.close()
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def abandon(self) -> None:
        """End the process in the middle of a job."""
        self._process.kill()
        self._process.join()

    def _next(self) -> Found | None:
        try:
            found = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(PATIENCE)
            raise MmuptError(f"an engine's process ended by itself (exit code {self._process.exitcode})") from None
        if isinstance(found, BaseException):
            raise found
        return found


def _serve(connection: Connection, start: Start, parent: int) -> None:
    """The worker's process: whether it streams, then for each job its groups and None, until None comes."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; whoever started us ends us
    with contextlib.suppress(EOFError, OSError):
        try:
            with contextlib.closing(open_engine(start)) as sampler:
                connection.send(isinstance(sampler, Streaming))
                while (job := connection.recv()) is not None:
                    for found in answer(sampler, job):
                        connection.send(found)
                    connection.send(None)
        except MmuptError as error:
            connection.send(error)
