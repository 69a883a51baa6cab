"""What a one-shot search ends in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class OneShotResult:
    """point: the network it ends in. steps, seconds: what it took. history: a line for each epoch. shares: of the
    answers to each choice in the end, where they were learnt."""

    point: dict[str, Any]
    steps: int
    seconds: float
    history: tuple[dict[str, Any], ...]
    shares: dict[str, list[float]] = field(default_factory=dict)
