"""Timing two things in turn, in one process: each run of one stands beside a run of the other."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Clock = Literal["cpu", "wall", "cuda"]
"""cpu: CPU time of the process, which work beside it does not lengthen. cuda: events on the current stream."""

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of every run of one contender."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        return quartiles(self.seconds)


@dataclass(frozen=True, slots=True)
class Race:
    """Runs of a contender and, beside each, of another one. `ratios` are first / second, pair by pair."""

    clock: Clock
    first: Times
    second: Times | None = None

    @property
    def ratios(self) -> tuple[float, ...]:
        if self.second is None:
            return ()
        return tuple(a / b for a, b in zip(self.first.seconds, self.second.seconds, strict=True))

    @property
    def ratio(self) -> float | None:
        """The median of the ratios; None without a second contender."""
        return statistics.median(self.ratios) if self.second else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The quartiles of the ratios; None without a second contender."""
        return quartiles(self.ratios) if self.second else None


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third quartile; of one value, that value twice."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def clock_for(device: str, threads: int) -> Clock:
    """Events on a GPU, CPU time for one thread, else the wall clock."""
    return "cuda" if device == "cuda" else "cpu" if threads == 1 else "wall"


def race(
    first: Work,
    second: Work | None = None,
    *,
    clock: Clock = "cpu",
    seconds: float = 5.0,
    least: int = 5,
    most: int = 200,
    warm: int = 2,
) -> Race:
    """Time two pieces of work in turn, the one that begins changing from pair to pair.

    warm: untimed runs of each before. Then pairs as `in_turn` runs them.
    """
    works = [first] if second is None else [first, second]
    for work in works:
        for _ in range(warm):
            work()
    found = in_turn(works, clock=clock, seconds=seconds, least=least, most=most)
    return Race(clock, Times(tuple(found[0])), Times(tuple(found[1])) if second else None)


def in_turn(
    works: Sequence[Work], *, clock: Clock, seconds: float, least: int, most: int = 200
) -> list[list[float]]:
    """Seconds of every run of each piece of work, run in turn, the one that begins changing from turn to turn.

    Turns go on until `seconds` of wall time are over, at least `least` and at most `most` of them. Garbage is
    collected before, not during.
    """
    found: list[list[float]] = [[] for _ in works]
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        for turn in range(most):
            if turn >= least and time.perf_counter() > end:
                break
            for place in range(len(works)):
                index = (turn + place) % len(works)
                found[index].append(seconds_of(works[index], clock))
    finally:
        if collecting:
            gc.enable()
    return found


def seconds_of(work: Work, clock: Clock) -> float:
    """Seconds of one run."""
    if clock == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # torch's
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3
    now = time.process_time if clock == "cpu" else time.perf_counter
    before = now()
    work()
    return now() - before
