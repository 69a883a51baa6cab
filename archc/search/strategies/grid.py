"""Grid search: every point there is, one after the other."""

from __future__ import annotations

import math
from typing import Any

from archc.elaborate.choosers import DomainValues
from archc.elaborate.values import Rejected
from archc.search.choices import Choices
from archc.search.strategy import Proposal, Result


class Grid:
    """Counts through the answers like an odometer, the last choice point fastest.

    Choice points that appear only under some answers are counted under those alone. levels: the most values tried
    of one parameter, evenly spaced; 0 for all.
    """

    def __init__(self, choices: Choices, seed: int, objectives: int = 1, *, levels: int = 0) -> None:
        self.choices, self.levels = choices, levels
        self.next: list[int] | None = []
        self.asked = 0

    def ask(self, n: int) -> list[Proposal]:
        found: list[Proposal] = []
        while self.next is not None and len(found) < n:
            odometer = Odometer(self.next, self.levels)
            try:
                point = self.choices.walk(odometer).point
            except Rejected:
                point = None
            self.next = odometer.following()
            if point is not None:
                found.append(Proposal(self.asked, point, "grid"))
                self.asked += 1
        return found

    def tell(self, proposal: Proposal, result: Result) -> None:
        """Learns nothing."""


class Odometer:
    """Answers by rank: those given, then the first of each."""

    def __init__(self, ranks: list[int], levels: int) -> None:
        self.ranks, self.levels = ranks, levels
        self.met: list[tuple[int, int]] = []  # rank and how many there are

    def domain(self, path: str, values: DomainValues) -> Any:
        count = values.count()
        tried = min(count, self.levels) if self.levels else count
        rank = self._rank(tried)
        return values.at(round(rank * (count - 1) / (tried - 1)) if tried > 1 else 0)

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        return subset(self._rank(math.comb(count, k)), count, k)

    def following(self) -> list[int] | None:
        """The ranks after these; None after the last."""
        for i in range(len(self.met) - 1, -1, -1):
            rank, count = self.met[i]
            if rank + 1 < count:
                return [*(r for r, _ in self.met[:i]), rank + 1]
        return None

    def _rank(self, count: int) -> int:
        at = len(self.met)
        rank = self.ranks[at] if at < len(self.ranks) else 0
        self.met.append((rank, count))
        return rank


def subset(rank: int, count: int, k: int) -> tuple[int, ...]:
    """The subset of that rank among the k-subsets of range(count), in lexicographic order."""
    found: list[int] = []
    low = 0
    while len(found) < k:
        under = math.comb(count - low - 1, k - len(found) - 1)  # subsets that hold `low` next
        if rank < under:
            found.append(low)
        else:
            rank -= under
        low += 1
    return tuple(found)
