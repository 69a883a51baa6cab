"""Which examples a step sees: a pure function of (seed, step, rank, world), so resuming needs no state."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from archc.train.faults import DataError
from archc.train.recipe import Recipe
from archc.train.seeds import generator


def steps_of(recipe: Recipe, examples: int) -> int:
    """How many steps a run takes with so many training examples."""
    return max(1, round(recipe.epochs * (examples // recipe.data.batch)))


@dataclass
class Batches:
    """Shuffled epochs of `examples`, in steps of `batch` over all ranks; what does not fill one is left out.

    runs and window: see listing.Listing. Runs are shuffled, and then the examples of `window` of them at a time.
    """

    examples: int
    batch: int
    seed: int
    rank: int = 0
    world: int = 1
    runs: tuple[int, ...] = ()
    window: int = 0
    _epoch: int = field(default=-1, repr=False)
    _order: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)

    def __post_init__(self) -> None:
        if self.examples < self.batch:
            raise DataError(
                f"a batch of {self.batch:,} is larger than the {self.examples:,} training examples"
            )
        if self.batch % self.world:
            raise DataError(f"a batch of {self.batch:,} does not divide among {self.world} processes")

    @property
    def epoch_steps(self) -> int:
        """Steps of one epoch."""
        return self.examples // self.batch

    @property
    def first(self) -> int:
        """Place of this rank's first example in the batch of all ranks."""
        return self.rank * (self.batch // self.world)

    def indices(self, step: int) -> Tensor:
        """Examples of this rank at a step, counted from 0: (batch / world,) int64."""
        epoch, at = divmod(step, self.epoch_steps)
        if epoch != self._epoch:
            self._epoch = epoch
            draw = generator(self.seed, "order", epoch)
            self._order = self._by_runs(draw) if self.runs else torch.randperm(self.examples, generator=draw)
        start = at * self.batch + self.first
        return self._order[start : start + self.batch // self.world]

    def _by_runs(self, draw: torch.Generator) -> Tensor:
        lengths = torch.tensor(self.runs)
        firsts = lengths.cumsum(0) - lengths
        parts = []
        for window in torch.split(torch.randperm(len(lengths), generator=draw), self.window):
            found = torch.cat(
                [torch.arange(n) + f for f, n in zip(firsts[window], lengths[window], strict=True)]
            )
            parts.append(found[torch.randperm(len(found), generator=draw)])
        return torch.cat(parts)
