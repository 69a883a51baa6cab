"""A library network and the hand-written module it must equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Twin:
    """spec: library name. peer: `package.module:callable`, called with `kwargs`.

    input: the size compared at, reduced where memory asks for it; odd: a second, non-square one with odd
    sides. small: compared in `make test` (one a family); the others in `make test-all`.
    """

    spec: str
    peer: str
    input: tuple[int, int, int]
    odd: tuple[int, int, int] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    small: bool = False
    tolerance: float = 1e-5
    gradient: bool = True  # False where train mode draws random numbers that cannot be switched off
