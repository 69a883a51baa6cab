"""Processes of this machine as workers, each with a pipe of its own.

A worker that dies takes its item with it and nothing else: another is started in its place. Workers are started
afresh (spawn), so that no thread or device of this process is half copied.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from archc.jobs.executor import Executor, InProcess, Item, Outcome, Result, Unfit, WorkerLost

AHEAD = 4
"""Results of each worker that `map` holds back while an earlier one is not done."""
GRACE = 60.0
"""Seconds that workers get, once asked to end, before they are killed: a run saves itself in that time."""


@dataclass(slots=True)
class _Worker:
    """A process and this end of its pipe. ticket: of what it works on, -1 while it is idle."""

    process: Any
    pipe: Connection
    ticket: int = -1


class LocalProcesses:
    """So many workers, started as there is work for them.

    environments: variables that the first, second … worker has set before it imports anything, taken in turn.
    """

    def __init__(self, workers: int, environments: Sequence[Mapping[str, str]] = ()) -> None:
        self.workers = workers
        self._environments = [dict(e) for e in environments] or [{}]
        self._slots: list[_Worker | None] = [None] * workers
        self._context = get_context("spawn")
        self._tickets = 0
        self._submitted: dict[int, Any] = {}
        self._done: list[tuple[int, Outcome[Any, Any]]] = []

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        done: dict[int, Result] = {}
        given = 0

        def near(taken: int) -> bool:
            return taken - given < AHEAD * self.workers

        for number, outcome in self._each(function, items, near):
            if outcome.error is not None:
                raise outcome.error
            done[number] = outcome.result  # type: ignore[assignment]  # a result, as there is no error
            while given in done:
                yield done.pop(given)
                given += 1

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Outcome[Item, Result]]:
        for _, outcome in self._each(function, items, lambda taken: True):
            yield outcome

    def submit(self, function: Callable[[Item], Any], item: Item) -> int:
        while (slot := self._free_slot()) is None and len(self._submitted) < self.workers:
            self._collect()  # those at work were given up
        if slot is None:
            raise RuntimeError(f"all {self.workers} workers are busy")
        ticket = self._give(slot, function, item)
        self._submitted[ticket] = item
        return ticket

    def finished(self) -> list[tuple[int, Outcome[Any, Any]]]:
        while self._submitted and not self._done:
            self._collect()
        done, self._done = self._done, []
        return done

    def _collect(self) -> None:
        """Waits for answers, and keeps those to calls that were submitted: others were given up by whoever asked."""
        for ticket, result, error in self._answers():
            if ticket in self._submitted:
                self._done.append((ticket, Outcome(self._submitted.pop(ticket), result, error)))

    def _each(
        self, function: Callable[[Item], Result], items: Iterable[Item], may_take: Callable[[int], bool]
    ) -> Iterator[tuple[int, Outcome[Item, Result]]]:
        """Items' numbers and outcomes as they are done; `may_take` says whether to take one more than so many."""
        source = enumerate(items)
        working: dict[int, tuple[int, Item]] = {}
        taken, more = 0, True
        while True:
            while more and may_take(taken) and (slot := self._free_slot()) is not None:
                following = next(source, None)
                if following is None:
                    more = False
                else:
                    working[self._give(slot, function, following[1])] = following
                    taken += 1
            if not working and not more:
                return
            for ticket, result, error in self._answers():
                if ticket in working:  # others were given up by whoever asked
                    number, item = working.pop(ticket)
                    yield number, Outcome(item, result, error)

    def _free_slot(self) -> int | None:
        """Of an idle worker, else one without."""
        idle = [i for i, worker in enumerate(self._slots) if worker is not None and worker.ticket < 0]
        return next(iter(idle + [i for i, worker in enumerate(self._slots) if worker is None]), None)

    def _give(self, slot: int, function: Callable[[Item], Any], item: Item) -> int:
        """Sends an item to a worker, which is started where there is none, and returns its ticket."""
        worker = self._slots[slot] or self._start(slot)
        try:
            worker.pipe.send((function, item))
        except OSError:  # it died idle
            worker.pipe.close()
            worker = self._start(slot)
            worker.pipe.send((function, item))
        self._tickets += 1
        worker.ticket = self._tickets
        return worker.ticket

    def _start(self, slot: int) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_work, args=(there,), daemon=True)
        with _environment(self._environments[slot % len(self._environments)]):
            process.start()  # which hands on what stands there now
        there.close()
        self._slots[slot] = worker = _Worker(process, here)
        return worker

    def _answers(self) -> Iterator[tuple[int, Any, Exception | None]]:
        """Waits, and gives (ticket, result, error) of every worker that is done or dead."""
        busy = {w.pipe: i for i, w in enumerate(self._slots) if w is not None and w.ticket >= 0}
        for pipe in wait(list(busy)):
            slot = busy[pipe]  # type: ignore[index]  # wait gives back what it was given
            worker = self._slots[slot]
            assert worker is not None  # it is busy
            ticket, worker.ticket = worker.ticket, -1
            try:
                result, error = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                result, error = None, WorkerLost(_ending(worker.process.exitcode))
            except Exception as failure:  # an answer that this process cannot make sense of
                result, error = None, failure
            if isinstance(error, WorkerLost | Unfit):
                worker.pipe.close()
                self._slots[slot] = None
            yield ticket, result, error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        workers = [w for w in self._slots if w is not None]
        for worker in workers:
            if worker.ticket >= 0:
                worker.process.terminate()
            worker.pipe.close()
        for worker in workers:
            worker.process.join(GRACE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._slots = [None] * self.workers


def _end_with_parent() -> None:
    """Ends this process once the one that started it is gone, in the middle of a call too."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ": the system may have run out of memory" if name == "SIGKILL" else ""
        return f"the worker was ended by {name}{hint}"
    return f"the worker ended with exit code {code}"


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(pipe: Connection) -> None:
    """The life of a worker: items are called until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        result: Any = None
        error: Exception | None = None
        try:
            function, item = pipe.recv()
        except (EOFError, OSError):
            return
        except Exception as failure:
            error = failure
        else:
            try:
                result = function(item)
            except Exception as failure:
                error = failure
        try:
            pipe.send((result, error))
        except OSError:
            return
        except Exception as failure:  # what cannot be pickled is told in words
            pipe.send((None, RuntimeError(f"{error or failure}")))
        if isinstance(error, Unfit):
            return


def local(workers: int, environments: Sequence[Mapping[str, str]] = ()) -> Executor:
    """This process for one worker, else so many others."""
    return InProcess() if workers <= 1 else LocalProcesses(workers, environments)
