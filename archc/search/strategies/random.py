"""Random search."""

from __future__ import annotations

from archc.elaborate.choosers import Stream
from archc.search.choices import Choices
from archc.search.strategy import Proposal, Result


class Random:
    """Points drawn as `archc sample` draws them."""

    def __init__(self, choices: Choices, seed: int, objectives: int = 1) -> None:
        self.choices = choices
        self.rng = Stream(b"random:%d" % seed)
        self.asked = 0

    def ask(self, n: int) -> list[Proposal]:
        found = []
        for _ in range(n):
            found.append(Proposal(self.asked, self.choices.random(self.rng).point, "random"))
            self.asked += 1
        return found

    def tell(self, proposal: Proposal, result: Result) -> None:
        """Learns nothing."""
