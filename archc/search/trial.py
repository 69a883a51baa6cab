"""A trial, and the work that evaluates one, wherever it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from archc.ir import Graph
from archc.jobs.ledger import Finished, Ledger
from archc.search.strategy import Proposal, State
from archc.spaces.point_text import Point
from archc.spaces.points import graph_of
from archc.spaces.space import Request, space


@dataclass(slots=True)
class Trial:
    """A proposal and what became of it. state: None while it is evaluated. reason: of a rejection or failure.

    same_as: the earlier trial of the same network, whose results a copy has. attempts: that came to nothing.
    """

    proposal: Proposal
    digest: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    state: State | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    scores: tuple[float, ...] = ()
    same_as: int | None = None
    reason: str = ""
    seconds: float = 0.0
    attempts: int = 0

    @property
    def number(self) -> int:
        return self.proposal.number


def plain(point: Point) -> dict[str, Any]:
    """A point as JSON has it: picks as lists."""
    return {path: list(answer) if isinstance(answer, tuple) else answer for path, answer in point.items()}


class Hopeless(Exception):
    """Raised by an evaluator where trying again will not help, as when a training diverges."""


@dataclass(frozen=True)
class Job:
    """What an evaluator gets: plain values, so that it travels. directory: for files of this trial, "" for none.

    epochs: to train for; None is the evaluator's own.
    """

    request: Request
    point: Point
    number: int
    epochs: float | None = None
    directory: str = ""

    def graph(self) -> Graph:
        """The network."""
        return graph_of(space(self.request), self.point)

    def place(self) -> Path:
        """The directory, made where it is missing."""
        found = Path(self.directory)
        found.mkdir(parents=True, exist_ok=True)
        return found


class Evaluator(Protocol):
    """Picklable; its results depend on the job alone."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names it gives."""

    def __call__(self, job: Job) -> Mapping[str, float]:
        """The metrics of a network; raises Hopeless, or anything else to be tried again."""

    def identity(self) -> dict[str, Any]:
        """What its results depend on beside the job, as plain data."""


@dataclass(frozen=True)
class Work:
    """A job for a worker. ledger: where it notes the result itself; "" leaves that to the search."""

    evaluator: Evaluator
    job: Job
    ledger: str = ""
    study: str = ""


def perform(work: Work) -> Finished:
    """Evaluates a job, and notes the result before anyone is told: what is finished stays finished."""
    start = time.perf_counter()
    try:
        metrics = dict(work.evaluator(work.job))
        missing = [name for name in work.evaluator.metrics if name not in metrics]
        if missing:
            raise Hopeless(f"the evaluator gave no {', '.join(missing)}")
        payload: dict[str, Any] = {"state": "evaluated", "metrics": {k: float(v) for k, v in metrics.items()}}
        bad = [name for name, value in payload["metrics"].items() if value - value != 0.0]
        if bad:
            raise Hopeless(f"the evaluator gave {bad[0]} = {payload['metrics'][bad[0]]}")
    except Hopeless as error:
        payload = {"state": "failed", "reason": str(error)}
    finished = Finished(payload, round(time.perf_counter() - start, 6))
    if work.ledger:
        with Ledger(work.ledger, work.study) as ledger:
            finished = ledger.finish(work.job.number, finished)
    return finished
