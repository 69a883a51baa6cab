"""Comparing two things in rounds, both made anew in each: how memory happens to lie changes what a network takes by a
few hundredths, and stays as it is as long as the network lives."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from archc.measure.race import Work, in_turn, quartiles

ROUNDS = 5
LEAST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Rounds:
    """The median of every round.

    first, second, third: seconds of a run. ratios: first / the mean of the second's two makes, turn by turn. null: one
    make of the second / the other.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    ratios: tuple[float, ...]
    null: tuple[float, ...]
    third: tuple[float, ...] = ()

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        return quartiles(self.ratios)

    @property
    def noise(self) -> float:
        """What three quarters of the rounds find two makes of the same thing to differ by at most."""
        return quartiles([abs(ratio - 1) for ratio in self.null])[1]

    @property
    def verdict(self) -> int:
        """1: the first takes longer, in the median by more than the noise and in three quarters of the rounds at
        all. -1: less, likewise. 0: neither is shown."""
        low, high = self.spread
        if low > 1 and self.ratio - 1 > self.noise:
            return 1
        return -1 if high < 1 and 1 - self.ratio > self.noise else 0


def rounds(
    first: Callable[[], Work],
    second: Callable[[], Work],
    third: Callable[[], Work] | None = None,
    *,
    seconds: float,
    least: int,
    budget: float,
    fewest: int = LEAST_ROUNDS,
) -> Rounds:
    """Make one of the first, two of the second and one of the third, warm them by one run each, run them in turn by CPU
    time, and begin again; who is made first, who begins and who comes after whom changes from round to round.

    Makers give what is ready: what has something to settle has done so. seconds, least: wall time, and turns at
    least, of a round. Past `budget` seconds no round begins but the `fewest`.
    """
    makers = [first, second, second, *([third] if third else [])]
    medians: list[tuple[float, ...]] = []
    start = time.perf_counter()
    for number in range(ROUNDS):
        if number >= fewest and time.perf_counter() - start > budget:
            break
        order = [(number + place) % len(makers) for place in range(len(makers))][:: 1 if number % 2 else -1]
        works = [makers[index]() for index in order]
        for work in works:
            work()
        times = dict(zip(order, in_turn(works, clock="cpu", seconds=seconds, least=least), strict=True))
        second_times = [(b + c) / 2 for b, c in zip(times[1], times[2], strict=True)]
        medians.append((
            statistics.median(times[0]),
            statistics.median(second_times),
            statistics.median(a / b for a, b in zip(times[0], second_times, strict=True)),
            statistics.median(b / c for b, c in zip(times[1], times[2], strict=True)),
            *([statistics.median(times[3])] if third else []),
        ))  # fmt: skip
        del works, work
    return Rounds(*zip(*medians, strict=True))
