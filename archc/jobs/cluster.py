"""A Ray cluster as workers: calls are tasks, placed where there are the CPUs and GPUs they ask for.

A task whose process or machine dies is begun again by Ray elsewhere, so a call may run more than once; what it
returns must depend on its item alone, as everywhere. archc must be installed on every machine of the cluster.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from archc.jobs.executor import Item, Outcome, Result, WorkerLost

TIMEOUT = 10.0
"""Seconds in which a cluster must answer."""


class ClusterError(Exception):
    """There is no such cluster, or no Ray; the message says what to do."""


class RayCluster:
    """At most `workers` tasks at once, of `cpus` and `gpus` each, both of which may be fractions.

    address: of a running cluster, `auto` for the one this machine belongs to, `local` to start one here. retries:
    times a lost task is begun again before it is an outcome, WorkerLost.
    """

    def __init__(
        self, workers: int, address: str = "auto", *, cpus: float = 1, gpus: float = 0, retries: int = 2
    ) -> None:
        try:
            import ray
        except ImportError:
            raise ClusterError("a cluster needs Ray: pip install 'archc[cluster]'") from None
        self.workers = workers
        self._ray = ray
        self._tickets = 0
        self._open: dict[Any, tuple[int, Any]] = {}  # ticket and item by Ray's reference
        self._began = not ray.is_initialized()
        if self._began:
            os.environ.setdefault(
                "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
            )  # what Ray will do: hide no device
            here = address == "local"
            try:
                _answers(address)
                ray.init(
                    None if here else address,
                    num_cpus=max(1, round(workers * cpus)) if here else None,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    include_dashboard=False if here else None,
                )
            except (OSError, ValueError, RuntimeError) as error:
                raise ClusterError(f"no Ray cluster at {address!r}: {error}") from None
        self._task: Any = ray.remote(_call).options(
            num_cpus=cpus, num_gpus=gpus, max_retries=retries, retry_exceptions=False,
            scheduling_strategy="SPREAD",
        )  # fmt: skip

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        waiting: deque[Any] = deque()
        source = iter(items)
        try:
            while True:
                while len(waiting) < self.workers and (batch := list(_take(source))):
                    waiting.append(self._task.remote(function, batch[0]))
                if not waiting:
                    return
                outcome: Outcome[Any, Result] = self._outcome(waiting.popleft(), None)
                if outcome.error is not None:
                    raise outcome.error
                yield outcome.result  # type: ignore[misc]  # a result, as there is no error
        finally:
            for reference in waiting:
                self._ray.cancel(reference, force=True)

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Outcome[Item, Result]]:
        source = iter(items)
        working: dict[Any, Item] = {}
        try:
            while True:
                while len(working) < self.workers and (batch := list(_take(source))):
                    working[self._task.remote(function, batch[0])] = batch[0]
                if not working:
                    return
                for reference in self._ray.wait(list(working), num_returns=1)[0]:
                    yield self._outcome(reference, working.pop(reference))
        finally:
            for reference in working:
                self._ray.cancel(reference, force=True)

    def submit(self, function: Callable[[Item], Any], item: Item) -> int:
        self._tickets += 1
        self._open[self._task.remote(function, item)] = (self._tickets, item)
        return self._tickets

    def finished(self) -> list[tuple[int, Outcome[Any, Any]]]:
        if not self._open:
            return []
        done, _ = self._ray.wait(list(self._open), num_returns=1)
        found = []
        for reference in done:
            ticket, item = self._open.pop(reference)
            found.append((ticket, self._outcome(reference, item)))
        return found

    def _outcome(self, reference: Any, item: Any) -> Outcome[Any, Any]:
        errors = self._ray.exceptions
        try:
            return Outcome(item, self._ray.get(reference))
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            return Outcome(item, None, WorkerLost(str(error).splitlines()[0]))
        except errors.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            return Outcome(item, None, cause)
        except errors.RayError as error:
            return Outcome(item, None, WorkerLost(f"{type(error).__name__}: {str(error).splitlines()[0]}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reference in self._open:
            self._ray.cancel(reference, force=True)
        if self._began:
            self._ray.shutdown()


def _answers(address: str) -> None:
    """Raises OSError where nobody listens, which Ray itself is minutes about."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), TIMEOUT).close()


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)


def _take(source: Iterator[Item]) -> Iterator[Item]:
    """The next item, if there is one."""
    for item in source:
        yield item
        return
