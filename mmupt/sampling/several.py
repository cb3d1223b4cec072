"""Several engines as one sampler: on this machine, each with its own GPUs, or on the machines of a Ray cluster.

An engine that streams is given every so-many-th prompt, all at once. Any other is given whole chunks, the next one
when it has finished one: what a chunk gives is what a single engine gives for it, bit for bit.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol, Self

from mmupt.errors import UserError
from mmupt.sampling.protocol import SamplingParams
from mmupt.sampling.worker import Found, Job, LocalWorker, Start
from mmupt.types import Prompt, Rollout

ONLY_ONE = frozenset({"openai", "scripted"})
"""Engines that hold no model: a server takes many requests at once anyway."""


class Worker(Protocol):
    """One engine somewhere else; `LocalWorker` tells what each does."""

    def ready(self) -> bool: ...
    def run(self, job: Job) -> Iterator[Found]: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


class Engines:
    """Workers that are ready, asked in whole chunks."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers, self._broken = workers, False

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> list[list[Rollout]]:
        """See `Sampler.sample`: each engine takes an equal part, in one piece."""
        count = len(self._workers)
        edges = [len(prompts) * number // count for number in range(count + 1)]
        parts = [range(*edge) for edge in pairwise(edges) if edge[0] < edge[1]]
        found = dict(self._run([_job(part, prompts, params, problem_seeds) for part in parts]))
        return [found[position] for position in range(len(prompts))]

    def sample_chunks(
        self, chunks: Sequence[Sequence[Prompt]], params: SamplingParams
    ) -> Iterator[tuple[int, list[list[Rollout]]]]:
        """See `Parallel.sample_chunks`."""
        prompts = [prompt for chunk in chunks for prompt in chunk]
        starts = [sum(map(len, chunks[:number])) for number in range(len(chunks))]
        parts = [range(start, start + len(chunk)) for start, chunk in zip(starts, chunks, strict=True)]
        number_of = {position: number for number, part in enumerate(parts) for position in part}
        found: list[dict[int, list[Rollout]]] = [{} for _ in chunks]
        for position, group in self._run([_job(part, prompts, params, None) for part in parts]):
            number = number_of[position]
            found[number][position] = group
            if len(found[number]) == len(chunks[number]):
                yield number, [found[number][each] for each in parts[number]]

    def close(self) -> None:
        """End all engines."""
        for worker in self._workers:
            worker.abandon() if self._broken else worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, jobs: Sequence[Job]) -> Iterator[Found]:
        """What all jobs give, as it comes; the first error ends it."""
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        results: queue.SimpleQueue[Found | BaseException | None] = queue.SimpleQueue()
        for worker in self._workers:
            threading.Thread(target=_pump, args=(worker, waiting, results), daemon=True).start()
        self._broken = True  # until the last result was taken, an engine may be in the middle of a job
        left = len(self._workers)
        while left:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                left -= 1
            else:
                yield result
        self._broken = False


class StreamingEngines(Engines):
    """Workers that stream, asked for everything at once."""

    def stream(
        self, prompts: Sequence[Prompt], params: SamplingParams, problem_seeds: Sequence[int] | None = None
    ) -> Iterator[Found]:
        """See `Streaming.stream`."""
        count = len(self._workers)
        parts = [range(first, len(prompts), count) for first in range(min(count, len(prompts)))]
        return self._run([_job(part, prompts, params, problem_seeds) for part in parts])


def open_several(
    engine: str, model: str, options: Mapping[str, object], *, engines: int, ray: str | None
) -> Engines | StreamingEngines:
    """Start `engines` engines, here or in the Ray cluster at that address ("auto": the one that this machine is in)."""
    if engine in ONLY_ONE:
        raise UserError(f"{engine} runs as one engine", where="rollout.engines", fix="leave out engines and ray")
    size = options.get("tensor_parallel_size")
    each = size if isinstance(size, int) else 1
    begin = _begin_ray(ray, each) if ray is not None else LocalWorker
    starts = [Start(engine, model, options, {} if ray else _gpus(number, each, engines)) for number in range(engines)]
    workers: list[Worker] = [begin(start) for start in starts]
    try:
        streams = [worker.ready() for worker in workers]
    except BaseException:
        for worker in workers:
            worker.abandon()
        raise
    return StreamingEngines(workers) if all(streams) else Engines(workers)


def _begin_ray(address: str, gpus: int) -> Callable[[Start], Worker]:
    try:
        from mmupt.sampling.ray_worker import cluster
    except ImportError as error:
        fix = "pip install 'mmupt[ray]', or leave out ray"
        raise UserError(f"Ray cannot be imported ({error})", where="rollout.ray", fix=fix) from error
    return cluster(address, gpus)


def _gpus(number: int, each: int, engines: int) -> dict[str, str]:
    """The environment in which worker `number` sees its own GPUs; nothing to say on a machine without any."""
    import torch

    count = torch.cuda.device_count()
    if count == 0:
        return {}
    if engines * each > count:
        what = f"{engines} engines of {each} GPU{'s' if each > 1 else ''} need {engines * each}, and there are {count}"
        raise UserError(what, where="rollout.engines", fix="start fewer engines")
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = named.split(",") if named else [str(index) for index in range(count)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(visible[number * each : (number + 1) * each])}


def _job(part: range, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int] | None) -> Job:
    own = None if seeds is None else [seeds[position] for position in part]
    return Job(part, [prompts[position] for position in part], params, own)


def _pump(
    worker: Worker, waiting: "queue.SimpleQueue[Job]", results: "queue.SimpleQueue[Found | BaseException | None]"
) -> None:
    """Give a worker one job after the other until none is left."""
    try:
        while True:
            for found in worker.run(waiting.get_nowait()):
                results.put(found)
    except queue.Empty:
        results.put(None)
    except BaseException as error:  # raised where the results are read
        results.put(error)
