"""Threads for work side by side, which end when one fails or when whoever waits for them is interrupted."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

GRACE_SECONDS = 2.0
"""How long threads that are given up are waited for. Each soon sees that it is; one that is stuck in a call to S3 is
left behind, and keeps the process from nothing."""

_GIVEN_UP: ContextVar[tuple[Event, ...]] = ContextVar("given_up", default=())


def is_given_up() -> bool:
    """Whether nobody waits any longer for the work that this thread does."""
    return any(event.is_set() for event in _GIVEN_UP.get())


class Threads:
    """Up to `count` pieces of work at a time. Use it as a context manager.

    When its block is left by an exception, an interruption too, what has not begun never does, and what has is given
    up: whatever waits for a database in it, or in threads that it started, ends at once. Unlike the threads of
    `concurrent.futures`, none keeps the block or the process from ending.
    """

    def __init__(self, count: int) -> None:
        self._given_up = Event()
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        context = copy_context()
        context.run(_GIVEN_UP.set, (*_GIVEN_UP.get(), self._given_up))
        self._threads = [Thread(target=context.copy().run, args=(self._work,), daemon=True) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._given_up.set()
        for _thread in self._threads:
            self._queue.put(None)
        deadline = monotonic() + GRACE_SECONDS
        for thread in self._threads:
            thread.join(None if kind is None else max(deadline - monotonic(), 0))

    def submit(self, work: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Have `work` called with the arguments by the next thread that is free; gives what it will return."""
        future: Future[Result] = Future()

        def attempt() -> None:
            try:
                future.set_result(work(*arguments))
            except BaseException as error:  # noqa: BLE001 (whoever asks for the result gets it)
                future.set_exception(error)

        self._queue.put(attempt)
        return future

    def _work(self) -> None:
        while (attempt := self._queue.get()) is not None:
            if not self._given_up.is_set():
                attempt()


def side_by_side(count: int, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What `work` gives for each item, in their order, `count` at a time.

    Raises: what the first call that fails raises, without waiting for the others.
    """
    with Threads(count) as threads:
        futures = [threads.submit(work, item) for item in items]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((error for future in futures if future in done and (error := future.exception())), None)
        if failed:
            raise failed
        return [future.result() for future in futures]
