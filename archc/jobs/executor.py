"""Where work is done: in this process, or in several of this machine.

An executor calls a function on many items. The function and the items must be picklable: a function at the top
level of a module, plain values. What a call returns must depend on its item alone, never on the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerLost(Exception):
    """The process that worked on an item ended before it answered: killed, out of memory, crashed."""


class Unfit(Exception):
    """Raised by a call after which its process can do no more, as after a fault of the accelerator: the item has
    failed, and a fresh process takes the place."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: its result, or the error its call raised."""

    item: Item
    result: Result | None
    error: Exception | None = None


class Executor(Protocol):
    """Used as a context: leaving it ends the workers."""

    workers: int

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, taken from the iterable as workers come free; raises what a call
        raised. An iterator given up early cancels what has not begun."""

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Outcome[Item, Result]]:
        """An outcome for every item, as they are done; one that fails does not stop the others, nor does the
        death of its worker (WorkerLost). Items are taken one by one, each when a worker is free for it."""

    def submit(self, function: Callable[[Item], Any], item: Item) -> int:
        """Begins one call, and returns its ticket. No more than `workers` may be open at once."""

    def finished(self) -> list[tuple[int, Outcome[Any, Any]]]:
        """Waits until some of the calls that were submitted are done: tickets and outcomes."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: Any) -> None: ...


class InProcess:
    """One call after the other, here."""

    def __init__(self) -> None:
        self.workers = 1
        self._tickets = 0
        self._done: list[tuple[int, Outcome[Any, Any]]] = []

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return map(function, items)

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Outcome[Item, Result]]:
        for item in items:
            yield _called(function, item)

    def submit(self, function: Callable[[Item], Any], item: Item) -> int:
        self._tickets += 1
        self._done.append((self._tickets, _called(function, item)))
        return self._tickets

    def finished(self) -> list[tuple[int, Outcome[Any, Any]]]:
        done, self._done = self._done, []
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def _called(function: Callable[[Item], Result], item: Item) -> Outcome[Item, Result]:
    try:
        return Outcome(item, function(item))
    except Exception as error:
        return Outcome(item, None, error)
