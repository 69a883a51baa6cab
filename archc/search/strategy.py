"""What a strategy is: it is asked for proposals, and told what became of each, in the order they were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

State = Literal["evaluated", "copied", "rejected", "failed"]
"""Evaluated; the same network as an earlier trial, whose results it has; against a constraint; come to nothing."""


class SearchError(Exception):
    """A search cannot be set up or go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to try. number: counts a strategy's proposals from 0. epochs: to train for; None is the evaluator's own.

    why: where it comes from, in a few words.
    """

    number: int
    point: Mapping[str, Any]
    why: str
    epochs: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a proposal. scores: one for each objective, higher is better; none unless it has results."""

    state: State
    scores: tuple[float, ...] = ()

    @property
    def scored(self) -> bool:
        """Whether there is something to learn from."""
        return bool(self.scores)


class Strategy(Protocol):
    """Deterministic: its proposals depend on its seed and on the order of the calls alone."""

    def ask(self, n: int) -> list[Proposal]:
        """Up to n proposals; fewer while results are missed, none at all when there is nothing left to try."""

    def tell(self, proposal: Proposal, result: Result) -> None:
        """What became of a proposal; called once for each, in the order they were asked."""
