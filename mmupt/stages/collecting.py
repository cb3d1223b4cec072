"""Prompts asked of a sampler, and the rows that are made of what it says, on disk as they come.

A sampler that streams is asked for everything that is missing, and each group is kept when it is finished. Another one
is asked chunk by chunk, whole chunks always, since what it gives may depend on what is sampled together. Either way the
log ends in the order of the prompts, with the same bytes whether or not the run was killed on its way.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from mmupt import console
from mmupt.disk import write_atomic
from mmupt.journal import encoded
from mmupt.rundir import JsonlLog
from mmupt.sampling import Parallel, Sampler, SamplingParams, Streaming
from mmupt.stages import chunks
from mmupt.stages.responses import Row
from mmupt.types import JsonValue, Prompt, Rollout

PAUSE = 0.2
"""Seconds between two writes: each waits for the disk."""


@dataclass(frozen=True)
class Task:
    """Prompts whose rows go into one log; each row has an `index`."""

    name: str
    log: JsonlLog
    prompts: Sequence[Prompt]
    """With ids of their own."""
    rows: Callable[[int, Sequence[Rollout]], list[dict[str, JsonValue]]]
    """The rows of the prompt at a position, one for each rollout."""
    prompt_of: Callable[[Row], str]
    """Id of the prompt that a row came from."""
    samples: int
    """Rollouts of each prompt."""

    def done(self) -> set[str]:
        """Ids of the prompts all of whose rows are on disk."""
        found: dict[str, set[JsonValue]] = {}
        for row in self.log.read():
            found.setdefault(self.prompt_of(row), set()).add(row["index"])
        return {id for id, indices in found.items() if len(indices) == self.samples}

    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.done() >= {prompt.id for prompt in self.prompts}

    def keep_only(self, ids: set[str]) -> None:
        """Drop the rows of all other prompts."""
        rows = self.log.read()
        kept = [row for row in rows if self.prompt_of(row) in ids]
        if len(kept) < len(rows):
            write_atomic(self.log.path, encoded(kept))

    def settle(self) -> None:
        """Put the rows into the order of the prompts."""
        rows = self.log.read()
        place_of = {prompt.id: place for place, prompt in enumerate(self.prompts)}
        ordered = sorted(rows, key=lambda row: (place_of[self.prompt_of(row)], row["index"]))
        if ordered != rows:
            write_atomic(self.log.path, encoded(ordered))


Group = tuple[Task, int, Sequence[Rollout]]


def collect(sampler: Sampler, tasks: Sequence[Task], params: SamplingParams, chunk_size: int, what: str) -> None:
    """Ask for what is missing of all tasks; `what` names the work to the user."""
    done = [task.done() for task in tasks]
    total = sum(len(task.prompts) for task in tasks)
    with console.progress(total, what, done=sum(map(len, done))) as progress:
        for task, _, _ in _kept(_groups(sampler, tasks, done, params, chunk_size)):
            progress.advance(1, task.name)


def _groups(
    sampler: Sampler, tasks: Sequence[Task], done: Sequence[set[str]], params: SamplingParams, chunk_size: int
) -> Iterator[list[Group]]:
    """What the sampler gives, in portions that belong together."""
    if isinstance(sampler, Streaming):
        for task, ids in zip(tasks, done, strict=True):
            task.keep_only(ids)
        places = [
            (task, place)
            for task, ids in zip(tasks, done, strict=True)
            for place, prompt in enumerate(task.prompts)
            if prompt.id not in ids
        ]
        for position, group in sampler.stream([task.prompts[place] for task, place in places], params):
            yield [(*places[position], group)]
        return
    missing = [(task, part) for task, ids in zip(tasks, done, strict=True) for part in _missing(task, ids, chunk_size)]
    asked = [[task.prompts[place] for place in part] for task, part in missing]
    if isinstance(sampler, Parallel):
        answered = sampler.sample_chunks(asked, params)
    else:
        answered = ((number, sampler.sample(chunk, params)) for number, chunk in enumerate(asked))
    for number, groups in answered:
        task, part = missing[number]
        yield [(task, place, group) for place, group in zip(part, groups, strict=True)]


def _missing(task: Task, ids: set[str], chunk_size: int) -> list[Sequence[int]]:
    """The chunks of a task that are not whole on disk; what there is of them is dropped."""
    parts = chunks.split(range(len(task.prompts)), chunk_size)
    missing = [part for part in parts if any(task.prompts[place].id not in ids for place in part)]
    task.keep_only(ids - {task.prompts[place].id for part in missing for place in part})
    return missing


def _kept(portions: Iterator[list[Group]]) -> Iterator[Group]:
    """Write the groups down while sampling goes on, at most every PAUSE seconds; what is left at the end, too."""
    waiting: list[Group] = []
    writing: Future[None] | None = None
    begun = 0.0
    with ThreadPoolExecutor(1) as writer:
        try:
            for portion in portions:
                waiting += portion
                if time.monotonic() - begun >= PAUSE and (writing is None or writing.done()):
                    if writing is not None:
                        writing.result()
                    ready, waiting = waiting, []
                    writing, begun = writer.submit(_write, ready), time.monotonic()
                    yield from ready
        finally:
            if writing is not None:
                writing.result()
            _write(waiting)
    yield from waiting


def _write(groups: Sequence[Group]) -> None:
    for task in {id(task): task for task, _, _ in groups}.values():
        task.log.append(row for each, place, group in groups if each is task for row in task.rows(place, group))
