"""Successive halving and Hyperband (Li et al. 2016, arXiv:1603.06560) around any strategy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from archc.search.strategy import Proposal, Result, SearchError, Strategy


@dataclass(slots=True)
class Rung:
    """Proposals trained for as long. left: of the rung's places, how many are not asked yet."""

    epochs: float
    left: int
    entrants: list[tuple[Proposal, Proposal]] = field(
        default_factory=list
    )  # to ask: the inner's, and the last one
    told: list[tuple[float, Proposal, Proposal]] = field(default_factory=list)  # score, inner's, the last one
    open: int = 0


class Hyperband:
    """Many networks trained briefly, the best 1/eta of them eta times longer, and so on to `longest` epochs.

    only_halving: always the bracket that begins at `shortest`; else brackets take turns, each beginning later with
    fewer networks. The wrapped strategy proposes whom a bracket begins with, and is told a network's last score.
    Networks begin anew at each rung, as schedules depend on how long they run.
    """

    def __init__(
        self, inner: Strategy, longest: float, *, shortest: float, eta: int = 3, only_halving: bool = False
    ) -> None:
        if not 0 < shortest <= longest or eta < 2:
            raise SearchError(
                f"halving needs 0 < shortest ≤ longest epochs ({shortest:g}, {longest:g}), eta ≥ 2 ({eta})"
            )
        self.inner, self.longest, self.eta = inner, longest, eta
        self.deepest = math.floor(math.log(longest / shortest, eta) + 1e-9)
        self.brackets = [self.deepest] if only_halving else list(range(self.deepest, -1, -1))
        self.turn = -1
        self.rungs: list[int] = []  # sizes of the rungs to come
        self.rung = Rung(longest, 0)
        self.first = True
        self.asked = 0
        self.parents: dict[int, Proposal] = {}  # the inner's proposal behind each open one

    def ask(self, n: int) -> list[Proposal]:
        found: list[Proposal] = []
        while len(found) < n:
            if self.rung.left == 0:
                if self.rung.open:
                    break
                self._next_rung()
            proposal = self._propose()
            if proposal is None:
                if self.rung.open or not self.rung.told:
                    break
                # the wrapped one has no more, or waits for these: they go on without others
                self.rung.left = 0
                continue
            found.append(proposal)
        return found

    def tell(self, proposal: Proposal, result: Result) -> None:
        parent = self.parents.pop(proposal.number)
        self.rung.open -= 1
        if result.scored:
            self.rung.told.append((result.scores[0], parent, proposal))
            if not self.rungs:
                self.inner.tell(parent, result)
        else:
            self.inner.tell(parent, result)

    def _propose(self) -> Proposal | None:
        if self.first:
            proposals = self.inner.ask(1)
            if not proposals:
                return None
            parent, why = proposals[0], proposals[0].why
        else:
            parent, last = self.rung.entrants[-self.rung.left]
            why = f"{last.number}, trained longer"
        self.rung.left -= 1
        self.rung.open += 1
        made = Proposal(self.asked, parent.point, why, self.rung.epochs)
        self.parents[made.number] = parent
        self.asked += 1
        return made

    def _next_rung(self) -> None:
        """The next rung of this bracket, or the first of the next bracket."""
        told = sorted(self.rung.told, key=lambda entry: (-entry[0], entry[2].number))
        if self.rungs and told:
            size = min(self.rungs.pop(0), len(told))
            for score, parent, _ in told[size:]:
                self.inner.tell(parent, Result("evaluated", (score,)))
            entrants = [(parent, last) for _, parent, last in told[:size]]
            self.rung = Rung(self.rung.epochs * self.eta, size, entrants)
            self.first = False
            return
        self.turn += 1
        s = self.brackets[self.turn % len(self.brackets)]
        size = math.ceil((self.deepest + 1) / (s + 1) * self.eta**s)
        self.rungs = [max(1, size // self.eta**i) for i in range(1, s + 1)]
        self.rung = Rung(self.longest / self.eta**s, size)
        self.first = True
