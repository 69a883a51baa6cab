"""The course of a search: its steps within a budget, what they came to, and where to go on after a stop.

A search is saved at the end of an epoch or once a minute, between two steps: weights, optimizers and controller, the
states of torch's generators, and its history. As batches and paths are functions of the step, what goes on from there
ends as it would have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from archc.search.oneshot.budget import Budget
from archc.search.oneshot.outcome import OneShotResult
from archc.search.oneshot.packing import pack, unpack
from archc.search.strategy import SearchError
from archc.train import checkpoint
from archc.train.checkpoint import Damaged, Snapshot
from archc.train.snapshot import own_generators, set_own_generators

SAVE_EVERY = 60.0
"""Seconds between two savings within an epoch."""


class Part(Protocol):
    """What a search changes, as of torch's modules and optimizers."""

    def state_dict(self) -> dict[str, Any]:
        """All of it: tensors and what JSON holds."""

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Puts it back."""


class Course:
    """step: how many were begun. seconds: taken so far, earlier runs included. memo: anything JSON holds, saved too.

    directory: of what is saved; without one nothing is. identity: what must be the same for a search to go on.
    watch: told of every line of the history as it is noted.
    """

    def __init__(
        self,
        budget: Budget,
        device: torch.device,
        *,
        directory: Path | None = None,
        identity: Mapping[str, Any] | None = None,
        watch: Callable[[dict[str, Any]], None] = lambda line: None,
    ) -> None:
        self.budget, self.device = budget, device
        self.directory, self.identity, self.watch = directory, dict(identity or {}), watch
        self.step, self.epoch = 0, 1
        self.history: list[dict[str, Any]] = []
        self.memo: dict[str, Any] = {}
        self._before, self._begun = 0.0, time.perf_counter()
        self._parts: Mapping[str, Part] = {}
        self.result: OneShotResult | None = None
        self._saved = self._newest()
        if self._saved is not None:
            state = self._saved.state
            self.step, self._before = self._saved.step, state["seconds"]
            self.history, self.memo = list(state["history"]), dict(state["memo"])
            if "point" in state:
                self.result = OneShotResult(
                    unpicked(state["point"]), self.step, self._before, tuple(self.history), state["shares"]
                )

    @property
    def seconds(self) -> float:
        """Taken so far, those of earlier runs included."""
        return self._before + time.perf_counter() - self._begun

    def steps(self, epoch: int, parts: Mapping[str, Part]) -> Iterator[tuple[int, float]]:
        """The steps left, numbered, and the share of the budget used before each; saves between them.

        epoch: steps of one. parts: what the steps change; brought to where the search stopped.
        """
        self.epoch, self._parts = epoch, parts
        self._restore()
        last = time.perf_counter()
        for step, used in self.budget.steps(epoch, self.device, self.step, lambda: self.seconds):
            self.step = step + 1
            yield step, used
            if self.step % epoch == 0 or time.perf_counter() - last > SAVE_EVERY:
                self.save()
                last = time.perf_counter()

    def note(self, **line: Any) -> None:
        """A line of the history."""
        said = {"epoch": self.step / self.epoch, "step": self.step, **line, "seconds": self.seconds}
        self.history.append(said)
        self.watch(said)

    @property
    def between(self) -> bool:
        """Whether the search is within an epoch."""
        return self.step % self.epoch != 0

    def finish(self, result: OneShotResult) -> None:
        """Saves what the search ended in, in the place of all that it went on from."""
        if self.directory is not None and self.result is None:
            self.result = result
            state = {**self._state(), "point": result.point, "shares": result.shares}
            checkpoint.save(self.directory, Snapshot(self.step, {}, state), keep=1)

    def save(self) -> None:
        """Saves what the search is now."""
        if self.directory is None:
            return
        states = {name: part.state_dict() for name, part in self._parts.items()}
        whole, tensors = pack({"parts": states, "generators": own_generators(self.device)})
        checkpoint.save(self.directory, Snapshot(self.step, tensors, {**self._state(), "whole": whole}))

    def _state(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "seconds": self.seconds,
            "history": self.history,
            "memo": self.memo,
        }

    def _newest(self) -> Snapshot | None:
        if self.directory is None or not self.directory.exists():
            return None
        found, problems = checkpoint.newest(self.directory)
        if found is None:
            if problems:
                raise Damaged("\n".join(problems))
            return None
        saved = found.state["identity"]
        for key in sorted(saved.keys() | self.identity.keys()):
            if saved.get(key) != self.identity.get(key):
                raise SearchError(
                    f"{self.directory} holds another search, which differs in its {key}: take another -o, or remove it"
                )
        return found

    def _restore(self) -> None:
        if self._saved is None:
            return
        found = unpack(self._saved.state["whole"], self._saved.tensors)
        for name, part in self._parts.items():
            part.load_state_dict(found["parts"][name])
            if isinstance(part, torch.optim.Optimizer):
                _as_laid_out(part)
        set_own_generators(found["generators"], self.device)
        self._saved = None


def unpicked(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point from JSON, its picks tuples again."""
    return {path: tuple(answer) if isinstance(answer, list) else answer for path, answer in point.items()}


def _as_laid_out(optimizer: torch.optim.Optimizer) -> None:
    """Gives an optimizer's tensors the memory layout of their parameters, which files do not keep."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
