"""Regularized evolution (Real et al. 2018, arXiv:1802.01548): the oldest dies, not the worst."""

from __future__ import annotations

from collections import deque

from archc.elaborate.choosers import Stream
from archc.search.choices import Choices
from archc.search.strategy import Proposal, Result


class Evolution:
    """Random points first; then children of the best of `sample` members, drawn with replacement from the
    `population` last ones, with one choice answered differently. The paper has 100 and 25."""

    def __init__(
        self, choices: Choices, seed: int, objectives: int = 1, *, population: int = 10, sample: int = 3
    ) -> None:
        self.choices, self.population, self.sample = choices, population, sample
        self.rng = Stream(b"evolution:%d" % seed)
        self.members: deque[tuple[float, Proposal]] = deque(maxlen=population)
        self.asked = 0

    def ask(self, n: int) -> list[Proposal]:
        return [self._propose() for _ in range(n)]

    def tell(self, proposal: Proposal, result: Result) -> None:
        if result.scored:
            self.members.append((result.scores[0], proposal))

    def _propose(self) -> Proposal:
        number, self.asked = self.asked, self.asked + 1
        if number >= self.population and self.members:
            drawn = [self.members[self.rng.below(len(self.members))] for _ in range(self.sample)]
            _, parent = max(drawn, key=lambda member: member[0])
            child = self.choices.mutated(parent.point, self.rng)
            if child is not None:
                changed = [p for p, a in child.point.items() if parent.point.get(p) != a]
                return Proposal(number, child.point, f"child of {parent.number}: {', '.join(changed)}")
        return Proposal(number, self.choices.random(self.rng).point, "random")
