"""Asynchronous work for synchronous callers: a coroutine runs in a thread of its own and what it emits is yielded.

An error of the coroutine is raised where its results are read. Whoever stops reading (an error, Ctrl-C, a closed
generator) cancels it; the thread never keeps the program from ending.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Emit = Callable[[T], None]


def stream(work: Callable[[Emit[T]], Coroutine[None, None, None]]) -> Iterator[T]:
    """Everything that `work` emits, in that order."""
    running = _Running[T]()
    thread = threading.Thread(target=running.run, args=(work,), daemon=True)
    thread.start()
    try:
        while (found := running.results.get()) is not None:
            yield found[0]
        if running.error is not None:
            raise running.error
    finally:
        running.cancel()
        thread.join()


@dataclass
class _Running(Generic[T]):
    results: "queue.SimpleQueue[tuple[T] | None]" = field(default_factory=queue.SimpleQueue)
    """Each result in a tuple, then None."""
    error: BaseException | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _task: "asyncio.Task[None] | None" = None
    _started: threading.Event = field(default_factory=threading.Event)

    def run(self, work: Callable[[Emit[T]], Coroutine[None, None, None]]) -> None:
        try:
            asyncio.run(self._main(work))
        except BaseException as error:  # handed over to the caller's thread, whatever it is
            self.error = _first(error)
        finally:
            self._started.set()
            self.results.put(None)

    def cancel(self) -> None:
        self._started.wait()
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:  # it ended just now
                return

    async def _main(self, work: Callable[[Emit[T]], Coroutine[None, None, None]]) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._started.set()
        await work(lambda result: self.results.put((result,)))


def _first(error: BaseException) -> BaseException:
    """The first of several that happened together."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
