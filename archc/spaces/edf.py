"""Comparing populations by their errors (Radosavovic et al. 2019, arXiv:1905.13214, and 2020, arXiv:2003.13678).

The EDF of errors is F(e), the share of networks with an error below e: a better space lies above and to the left.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Edf:
    """The distribution of a population's errors: at each of them, in rising order, the share up to and with it.

    low, high: the 95 % band of the bootstrap, point by point.
    """

    name: str
    errors: tuple[float, ...]
    shares: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def median(self) -> float:
        return self.errors[(len(self.errors) - 1) // 2]

    @property
    def mean(self) -> float:
        """The mean error: the area to the left of the curve."""
        return math.fsum(self.errors) / len(self.errors)

    def below(self, error: float) -> float:
        """F: the share of networks with an error below this."""
        return sum(e < error for e in self.errors) / len(self.errors)


def edf(name: str, errors: Sequence[float]) -> Edf:
    """The EDF of some errors; raises ValueError where there are none.

    A resample of n networks has k of them up to a given error with the probabilities of Binomial(n, share), so
    the band needs no drawing.
    """
    if not errors:
        raise ValueError(f"{name}: no network has an error")
    ordered = tuple(sorted(errors))
    n = len(ordered)
    bands = [binomial_interval(n, (i + 1) / n) for i in range(n)]
    return Edf(
        name, ordered, tuple((i + 1) / n for i in range(n)), tuple(b[0] / n for b in bands),
        tuple(b[1] / n for b in bands),
    )  # fmt: skip


def binomial_interval(n: int, share: float, level: float = 0.95) -> tuple[int, int]:
    """The quantiles (1 ∓ level) / 2 of Binomial(n, share)."""
    tail = (1 - level) / 2
    if share >= 1:
        return n, n
    low: int | None = None
    total, log_odds, log_term = 0.0, math.log(share / (1 - share)), n * math.log1p(-share)
    for k in range(n + 1):
        total += math.exp(log_term)
        if low is None and total >= tail:
            low = k
        if total >= 1 - tail:
            return low or 0, k
        log_term += math.log((n - k) / (k + 1)) + log_odds
    return low or 0, n


@dataclass(frozen=True, slots=True)
class BestRange:
    """Where the best value of a parameter lies: the median and the 95 % interval of bootstrapped bests."""

    low: float
    median: float
    high: float


def best_range(
    values: Sequence[float],
    errors: Sequence[float],
    *,
    share: float = 0.25,
    resamples: int = 10_000,
    seed: int = 0,
) -> BestRange:
    """Draw a quarter of the networks with replacement, keep the value of the best, 10,000 times.

    Raises ValueError where there are none.
    """
    if not values:
        raise ValueError("no network to look for the best among")
    rng = random.Random(seed)
    # the best of a resample is the first drawn in order of error: only its rank is needed
    order = sorted(range(len(values)), key=errors.__getitem__)
    size, n = max(1, round(share * len(values))), len(values)
    # P(rank of the best > r) = (1 - (r + 1) / n) ** size, so one uniform number gives a rank
    ranks = (min(n - 1, int(n * (1 - (1 - rng.random()) ** (1 / size)))) for _ in range(resamples))
    bests = sorted(values[order[rank]] for rank in ranks)

    def quantile(q: float) -> float:
        return float(bests[min(len(bests) - 1, int(q * len(bests)))])

    return BestRange(quantile(0.025), quantile(0.5), quantile(0.975))


def errors_of(rows: Sequence[dict[str, Any]], column: str) -> list[tuple[dict[str, Any], float]]:
    """The rows that have a number in a column, and that number; those without were not trained, or diverged."""
    numbers = ((r, float(r[column])) for r in rows if type(r.get(column)) in (int, float))
    return [(row, error) for row, error in numbers if math.isfinite(error)]
