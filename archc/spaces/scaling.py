"""Scaling a network's width, depth and resolution.

φ doubles the cost each time it grows by one. `compound`: α^φ in depth, β^φ in width, γ^φ in resolution, α·β²·γ² ≈ 2
(Tan and Le 2019, arXiv:1905.11946). `fast`: the share a of the growth goes to width and the rest, halved, to depth
and resolution; a = 0.8 keeps activations, and so time, low (Dollár et al. 2021, arXiv:2103.06877). `width`, `depth`,
`resolution`: one of them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
FAST_SHARE = 0.8
STRATEGIES = ("compound", "fast", "width", "depth", "resolution")

# (width, depth, resolution) of the published EfficientNets, Tan and Le's code
EFFICIENTNETS: tuple[tuple[float, float, int], ...] = (
    (1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300),
    (1.4, 1.8, 380), (1.6, 2.2, 456), (1.8, 2.6, 528), (2.0, 3.1, 600),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """Multipliers of a network's width, depth and resolution."""

    width: float = 1.0
    depth: float = 1.0
    resolution: float = 1.0

    @property
    def cost(self) -> float:
        """What they multiply the multiply-adds by, rounding aside: depth · width² · resolution²."""
        return self.depth * self.width**2 * self.resolution**2


def scale(
    strategy: str, phi: float, *, alpha: float = ALPHA, beta: float = BETA, gamma: float = GAMMA
) -> Scale:
    """The multipliers of a strategy at φ; raises ValueError for an unknown one."""
    growth = 2.0**phi
    if strategy == "compound":
        return Scale(beta**phi, alpha**phi, gamma**phi)
    if strategy == "fast":
        rest = (1 - FAST_SHARE) / 2
        return Scale(growth ** (FAST_SHARE / 2), growth**rest, growth ** (rest / 2))
    if strategy == "width":
        return Scale(width=growth**0.5)
    if strategy == "depth":
        return Scale(depth=growth)
    if strategy == "resolution":
        return Scale(resolution=growth**0.5)
    raise ValueError(f"there is no strategy `{strategy}`: {', '.join(STRATEGIES)}")


def deviation(phi: int, found: Scale) -> tuple[float, float, float] | None:
    """How far width, depth and resolution of EfficientNet-Bφ by the formula are from the published, as shares.

    None where there is no such network.
    """
    if not 0 <= phi < len(EFFICIENTNETS):
        return None
    width, depth, resolution = EFFICIENTNETS[phi]
    return found.width / width - 1, found.depth / depth - 1, 224 * found.resolution / resolution - 1


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Bases of compound scaling, and the score of the network they make at φ = 1."""

    alpha: float
    beta: float
    gamma: float
    score: float

    @property
    def cost(self) -> float:
        return self.alpha * self.beta**2 * self.gamma**2


def candidates(step: float = 0.05, tolerance: float = 0.1) -> Iterator[tuple[float, float, float]]:
    """The grid of (α, β, γ) from 1 up whose α·β²·γ² is 2 within a tolerance."""
    for i in range(int(1 / step) + 1):
        for j in range(int(0.5 / step) + 1):
            for k in range(int(0.5 / step) + 1):
                alpha, beta, gamma = (round(1 + n * step, 10) for n in (i, j, k))
                if abs(alpha * beta**2 * gamma**2 - 2) <= tolerance:
                    yield alpha, beta, gamma


def search(
    score: Callable[[Scale], float], *, step: float = 0.05, tolerance: float = 0.1
) -> list[Coefficients]:
    """Score every candidate at φ = 1, best first. `score`: the higher the better; train it, time it, count it."""
    found = [
        Coefficients(alpha, beta, gamma, score(Scale(beta, alpha, gamma)))
        for alpha, beta, gamma in candidates(step, tolerance)
    ]
    return sorted(found, key=lambda c: -c.score)
