"""Local search (White et al. 2020, arXiv:2005.02960): all neighbours of a point, then on to the best of them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from archc.elaborate.choosers import SetValues, Stream
from archc.elaborate.values import Rejected
from archc.search.choices import Choices
from archc.search.strategy import Proposal, Result
from archc.spaces.point_text import plain
from archc.spaces.points import ChoicePoint

STEPS = (1, 4, 16, 64, 256)
"""How far along a parameter with many values neighbours lie, both ways."""
FEW = 32
"""A choice point with so many answers or fewer has them all as neighbours."""


class Local:
    """From a random point to its best neighbour while that is better, then from another random point.

    A neighbour answers one choice differently: a pick otherwise, one member of a pick of several exchanged, a
    parameter of many values by some steps up or down. No point is proposed twice.
    """

    def __init__(self, choices: Choices, seed: int, objectives: int = 1) -> None:
        self.choices = choices
        self.rng = Stream(b"local:%d" % seed)
        self.asked = 0
        self.waiting = 0  # proposals that have not been told
        self.best: tuple[float, Proposal] | None = None  # of this climb
        self.centre: Proposal | None = None
        self.left: Iterator[dict[str, Any]] = iter(())
        self.seen: set[tuple[Any, ...]] = set()

    def ask(self, n: int) -> list[Proposal]:
        found: list[Proposal] = []
        while len(found) < n:
            point = next(self.left, None)
            if point is not None and self.centre is not None:
                found.append(self._propose(point, f"neighbour of {self.centre.number}"))
            elif self.waiting:
                break
            elif self.best is None or self.best[1] is self.centre:
                self.best = self.centre = None
                found.append(self._propose(self.choices.random(self.rng).point, "random"))
            else:
                self.centre = self.best[1]
                self.left = self._neighbours(self.centre.point)
        return found

    def tell(self, proposal: Proposal, result: Result) -> None:
        self.waiting -= 1
        if result.scored and (self.best is None or result.scores[0] > self.best[0]):
            self.best = (result.scores[0], proposal)

    def _propose(self, point: Any, why: str) -> Proposal:
        proposal = Proposal(self.asked, point, why)
        self.asked += 1
        self.waiting += 1
        self.seen.add(_key(point))
        return proposal

    def _neighbours(self, point: Any) -> Iterator[dict[str, Any]]:
        here = self.choices.completed(point, self.rng)
        around = [
            (choice.path, answer)
            for choice in here.choices
            for answer in other_answers(choice, here.point[choice.path])
        ]
        for i in range(len(around) - 1, 0, -1):  # in random order
            j = self.rng.below(i + 1)
            around[i], around[j] = around[j], around[i]
        for path, answer in around:
            try:
                point = self.choices.completed({**here.point, path: answer}, self.rng).point
            except Rejected:
                continue
            if _key(point) not in self.seen:
                yield point


def _key(point: Any) -> tuple[Any, ...]:
    return tuple(sorted(point.items()))


def other_answers(choice: ChoicePoint, answer: Any) -> list[Any]:
    """Answers of a choice point near one, not counting it."""
    if choice.values is not None:
        values, count = choice.values, choice.values.count()
        if count <= FEW or isinstance(values, SetValues):
            return [a for a in (plain(values.at(i)) for i in range(count)) if a != answer]
        at = bisect_left(range(count), answer, key=values.at)
        near = {at + sign * step for step in STEPS for sign in (-1, 1)}
        return [values.at(i) for i in sorted(near) if 0 <= i < count]
    if math.comb(choice.count, choice.k) <= FEW:
        return [c for c in combinations(range(choice.count), choice.k) if c != answer]
    kept = set(answer)
    return [
        tuple(sorted(kept - {out} | {into}))
        for out in answer
        for into in range(choice.count)
        if into not in kept
    ]
