"""What hands examples to a run: the device's own memory, or worker processes that decode them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor

from archc.train.batches import Batches
from archc.train.datasets import Split, Stream
from archc.train.recipe import Data, Recipe
from archc.train.stream import NONE, UNIT, Task, Unit, Workers, split_tasks, workers_of

STEPS_AHEAD = 2


class Resident:
    """Examples in the device's memory. bad: what could not be read so far, by its number."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self._split, self._device = split.to(device), device
        self.bad: dict[int, str] = {}

    def fetch(self, chunk: Tensor, step: int, first: int) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) uint8 and labels (N,) on the device.

        Of the examples `chunk` of a step, whose first is at `first` in the batch of all ranks.
        """
        here = chunk.to(self._device, non_blocking=True)
        return self._split.images[here], self._split.labels[here]

    def close(self) -> None:
        """Nothing to end."""


class Streamed:
    """Examples decoded in advance, in the order steps ask for them; any other order starts the workers anew.

    again: whether a step asks for its examples twice.
    """

    def __init__(
        self, stream: Stream, batches: Batches, about: Data, device: torch.device, again: bool = False
    ) -> None:
        self._stream, self._batches, self._device = stream, replace(batches), device
        self._accumulate, self._again = about.accumulate, again
        count = workers_of(about.workers)
        self._workers = Workers(stream, device, count, about.max_bad, batches.seed, training=True)
        self.bad = self._workers.bad
        self._units: Iterator[Unit] = iter(())
        self._next = (-1, 0)  # step and place of what the workers give next
        self._kept: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def fetch(self, chunk: Tensor, step: int, first: int) -> tuple[Tensor, Tensor]:
        """As Resident's. Raises WorkerLost or DataError."""
        at = (step, first)
        if at in self._kept:
            return self._kept[at]
        if at != self._next:
            self.close()
            own = len(chunk) * self._accumulate
            self._units = self._workers.units(self._tasks(*at), STEPS_AHEAD * -(-own // UNIT))
        found = _collected(self._units, len(chunk), self._stream, self._device)
        end = first + len(chunk)
        more = end < self._batches.first + self._batches.batch // self._batches.world
        self._next = (step, end) if more else (step + 1, self._batches.first)
        if self._again:
            self._kept = {k: v for k, v in self._kept.items() if k[0] == step} | {at: found}
        return found

    def close(self) -> None:
        """Ends the workers."""
        self._units, self._next = iter(()), (-1, 0)

    def _tasks(self, step: int, first: int) -> Iterator[Task]:
        for number in count(step):
            at = self._batches.first
            for chunk in self._batches.indices(number).chunk(self._accumulate):
                if number > step or at >= first:
                    yield from split_tasks(number, at, chunk)
                at += len(chunk)


def make_feed(
    examples: Split | Stream, batches: Batches, recipe: Recipe, device: torch.device
) -> Resident | Streamed:
    """The feed of a run."""
    if isinstance(examples, Split):
        return Resident(examples, device)
    return Streamed(examples, batches, recipe.data, device, again=bool(recipe.optim.sam))


class HeldOut:
    """The held-out examples of one rank, in batches on the device, as many on every rank.

    The label is NONE of what cannot be read, and of what fills the last batches of some ranks.
    """

    def __init__(
        self, examples: Split | Stream, about: Data, device: torch.device, rank: int = 0, world: int = 1
    ) -> None:
        each = -(-len(examples) // world)
        places = torch.arange(each) * world + rank
        self._own, self._filling = places.clamp(max=len(examples) - 1), places >= len(examples)
        self._examples = examples.to(device) if isinstance(examples, Split) else examples
        self._device, self._about = device, about
        self.bad: dict[int, str] = {}

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (N, C, H, W) uint8 and labels (N,)."""
        parts = torch.split(self._own, self._about.eval_batch)
        filling = torch.split(self._filling.to(self._device), self._about.eval_batch)
        held = self._examples
        found = _taken(held, parts, self._device) if isinstance(held, Split) else self._decoded(held, parts)
        for (images, labels), none in zip(found, filling, strict=True):
            yield images, labels.masked_fill(none, NONE)

    def _decoded(self, held: Stream, parts: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        count = workers_of(self._about.workers)
        workers = Workers(held, self._device, count, self._about.max_bad, bad=self.bad)
        tasks = (task for part in parts for task in split_tasks(0, 0, part))
        units = workers.units(tasks, 2 * -(-self._about.eval_batch // UNIT))
        for part in parts:
            yield _collected(units, len(part), held, self._device)


def _taken(held: Split, parts: Sequence[Tensor], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    for part in parts:
        here = part.to(device)
        yield held.images[here], held.labels[here]


def _collected(
    units: Iterator[Unit], size: int, stream: Stream, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The next `size` images and labels, on a device."""
    images = torch.empty(size, *stream.view.shape, dtype=torch.uint8, device=device)
    labels = torch.empty(size, dtype=torch.int64, device=device)
    at = 0
    while at < size:
        unit = next(units)
        end = at + len(unit.labels)
        images[at:end].copy_(unit.images, non_blocking=True)
        labels[at:end].copy_(unit.labels, non_blocking=True)
        at = end
    return images, labels
