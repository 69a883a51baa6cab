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

    first, second: seconds of a run. ratios: first / the mean of the second's two makes, turn by turn. null: one make of
    the second / the other.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    ratios: tuple[float, ...]
    null: tuple[float, ...]

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
    first: Callable[[], Work], second: Callable[[], Work], *, seconds: float, least: int, budget: float
) -> Rounds:
    """Make one of the first and two of the second, warm them by one run each, run them in turn by CPU time, and begin
    again; who is made first, who begins and who comes after whom changes from round to round.

    seconds, least: wall time, and turns at least, of a round. Past `budget` seconds no round begins after the third.
    """
    makers = [first, second, second]
    medians: list[tuple[float, float, float, float]] = []
    start = time.perf_counter()
    for number in range(ROUNDS):
        if number >= LEAST_ROUNDS and time.perf_counter() - start > budget:
            break
        order = [(number + place) % 3 for place in range(3)][:: 1 if number % 2 else -1]
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
        ))  # fmt: skip
        del works, work
    return Rounds(*zip(*medians, strict=True))
