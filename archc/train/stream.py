"""Decoding in worker processes: what they are asked for is told in advance, so no one waits for no one.

Every image is a function of (seed, step, place in the batch), so it does not matter who decodes it, or
whether a run was resumed in between.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from archc.train.datasets import Stream, check_unreadable
from archc.train.decoding import Unreadable, decode
from archc.train.faults import DataError
from archc.train.machine import cores
from archc.train.seeds import seed_of

UNIT = 32
"""Images a worker decodes at a time."""
MOST_WORKERS = 16
NONE = -1
"""The label of what is no example."""


class WorkerLost(DataError):
    """A process that decodes is gone."""


class Task(NamedTuple):
    """Images to decode: the step, the place of the first in the batch of all ranks, their numbers."""

    step: int
    first: int
    indices: list[int]


class Unit(NamedTuple):
    """images (N, C, H, W) uint8 and labels (N,) of a task, and what could not be read: its number and why."""

    images: Tensor
    labels: Tensor
    bad: list[tuple[int, str]]


@dataclass
class Decoder(TorchDataset[Unit]):
    """Does tasks. In training, the next image that can be read stands in for one that cannot; else it has no label.

    most_bad: how many unreadable images make a task give up.
    """

    stream: Stream
    seed: int
    training: bool
    most_bad: float

    def __getitem__(self, task: Task) -> Unit:
        images = torch.zeros(len(task.indices), *self.stream.view.shape, dtype=torch.uint8)
        labels = torch.full((len(task.indices),), NONE)
        bad: list[tuple[int, str]] = []
        for row, wanted in enumerate(task.indices):
            for offset in range(len(self.stream) if self.training else 1):
                index = (wanted + offset) % len(self.stream)
                draw = (
                    Random(seed_of(self.seed, "part", task.step, task.first + row)) if self.training else None
                )
                try:
                    images[row] = decode(self.stream.listing.read(index), self.stream.view, draw)
                    labels[row] = self.stream.labels[index]
                    break
                except (OSError, Unreadable) as error:
                    bad.append((index, str(error)))
                if len(bad) > self.most_bad:
                    return Unit(images, labels, bad)
        return Unit(images, labels, bad)


@dataclass
class Workers:
    """Units in the order of their tasks, for a device; `bad` grows by what cannot be read.

    count: processes; 0 decodes in this one. ahead: units to have ready. Raises WorkerLost, or DataError where
    more than `max_bad` of the images cannot be read.
    """

    stream: Stream
    device: torch.device
    count: int
    max_bad: float
    seed: int = 0
    training: bool = False
    bad: dict[int, str] = field(default_factory=dict)

    def units(self, tasks: Iterable[Task], ahead: int = 0) -> Iterator[Unit]:
        decoder = Decoder(self.stream, self.seed, self.training, self.max_bad * len(self.stream))
        made: Iterator[Unit] = map(decoder.__getitem__, tasks)
        if self.count:
            made = self._started(decoder, tasks, ahead)
        try:
            while True:
                try:
                    unit = next(made)
                except StopIteration:
                    return
                except (RuntimeError, OSError, EOFError) as error:
                    raise lost(error) from None
                self._note(unit.bad)
                yield unit
        finally:
            getattr(made, "_shutdown_workers", int)()  # else they stay as long as a traceback holds them

    def _started(self, decoder: Decoder, tasks: Iterable[Task], ahead: int) -> Iterator[Unit]:
        before = set(multiprocessing.active_children())
        made = iter(
            DataLoader(
                decoder,
                batch_size=None,
                sampler=tasks,
                num_workers=self.count,
                prefetch_factor=max(2, -(-ahead // self.count)),
                pin_memory=self.device.type == "cuda",
                worker_init_fn=_start,
                multiprocessing_context="fork" if sys.platform == "linux" else None,
                generator=torch.Generator(),  # else it draws from the one that dropout draws from
            )
        )
        weakref.finalize(made, _end, set(multiprocessing.active_children()) - before)
        return made

    def _note(self, bad: list[tuple[int, str]]) -> None:
        if bad:
            for index, why in bad:
                self.bad[index] = f"{self.stream.listing.name(index)} ({why})"
            check_unreadable(list(self.bad.values()), len(self.stream), self.max_bad)


def lost(error: Exception) -> Exception:
    """The error, or where it is a way of saying that a worker died, one that says what to do."""
    broken = isinstance(
        error, (OSError, EOFError)
    )  # of the pipe to the worker: what it reads it answers for itself
    if not broken and ("DataLoader worker" not in str(error) or "Caught" in str(error)):
        return error
    why = (str(error) or type(error).__name__).splitlines()[0]
    return WorkerLost(
        f"a process that decodes images died ({why}). Was memory short, or shared memory "
        "(/dev/shm; containers have 64 MB unless told otherwise)? Fewer data.workers need less; the same command "
        "goes on from the last checkpoint"
    )


def workers_of(asked: int) -> int:
    """How many processes decode for this rank, -1 being one for each core but one, among the ranks here."""
    if asked >= 0:
        return asked
    own = cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MOST_WORKERS, own - 1))


def _start(number: int) -> None:
    """Signals are for the process that trains: it saves, and then ends its workers."""
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)
    sys.excepthook = lambda *error: (
        None
    )  # what goes wrong here is raised in the run; threads have nothing to add


def _end(workers: Iterable[BaseProcess]) -> None:
    """Kills what did not end when asked: the workers of one that was killed may wait for its locks."""
    for worker in workers:
        if worker.is_alive():
            worker.kill()


def split_tasks(step: int, first: int, indices: Tensor) -> Iterator[Task]:
    """The tasks of consecutive places of a batch."""
    for number, part in enumerate(torch.split(indices, UNIT)):
        yield Task(step, first + number * UNIT, part.tolist())
