"""Where work is done: in this process, or in several of this machine.

An executor calls a function on many items. The function and the items must be picklable: a function at the top
level of a module, plain values. What a call returns must depend on its item alone, never on the worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: its result, or the error its call raised."""

    item: Item
    result: Result | None
    error: Exception | None = None


class Executor(Protocol):
    """Used as a context: leaving it ends the workers."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, taken from the iterable as workers come free; raises what a call
        raised. An iterator given up early cancels what has not begun."""

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Outcome[Item, Result]]:
        """An outcome for every item, as they are done; one that fails does not stop the others."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: Any) -> None: ...


class InProcess:
    """One call after the other, here."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return map(function, items)

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Outcome[Item, Result]]:
        for item in items:
            try:
                yield Outcome(item, function(item))
            except Exception as error:
                yield Outcome(item, None, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class LocalProcesses:
    """As many processes of this machine, started afresh so that no thread or device of ours is half copied."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        source = iter(items)
        try:
            while True:
                while len(waiting) < 2 * self.workers and (batch := list(_take(source))):
                    waiting.append(self.pool.submit(function, batch[0]))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Outcome[Item, Result]]:
        waiting: dict[Future[Result], Item] = {}
        source = iter(items)
        try:
            while True:
                while len(waiting) < 2 * self.workers and (batch := list(_take(source))):
                    waiting[self.pool.submit(function, batch[0])] = batch[0]
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    item = waiting.pop(future)
                    failure = future.exception()
                    if failure is None:
                        yield Outcome(item, future.result())
                    elif isinstance(failure, Exception):
                        yield Outcome(item, None, failure)
                    else:
                        raise failure
        finally:
            for future in waiting:
                future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


def _take(source: Iterator[Item]) -> Iterator[Item]:
    """The next item, if there is one."""
    for item in source:
        yield item
        return


def local(workers: int) -> Executor:
    """This process for one worker, else so many others."""
    return InProcess() if workers <= 1 else LocalProcesses(workers)
