"""What is known of a network before anything is trained: its identity and its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from archc.elaborate.arch_statements import METRICS
from archc.ir import Graph
from archc.spaces.canonical import canonical_hash
from archc.spaces.point_text import Point
from archc.spaces.points import answered, graph_of
from archc.spaces.space import Space

FIGURES = ("params", "macs", "flops", "activations")


@dataclass(frozen=True, slots=True)
class Known:
    """digest: equal for networks that are the same. figures: by name."""

    digest: str
    figures: Mapping[str, float]


class Networks(Protocol):
    """Where figures come from."""

    figures: tuple[str, ...]

    def known(self, point: Point) -> Known:
        """Of the network of a point; raises Rejected where it does not meet the space's requirements."""


class Counted:
    """Figures counted from the graph. latency: predicts seconds from it."""

    def __init__(self, space: Space, latency: Callable[[Graph], float] | None = None) -> None:
        self.space, self.latency = space, latency
        self.figures = (*FIGURES, *(("latency",) if latency else ()))

    def known(self, point: Point) -> Known:
        answered(self.space, point)
        graph = graph_of(self.space, point)
        figures: dict[str, float] = {name: METRICS[name](graph) for name in FIGURES}
        if self.latency is not None:
            figures["latency"] = self.latency(graph)
        return Known(canonical_hash(graph), figures)


class Tabled:
    """Figures from a table of results; no graph is built."""

    def __init__(self, space: Space, table: Any) -> None:
        self.space, self.table = space, table
        self.figures: tuple[str, ...] = table.columns

    def known(self, point: Point) -> Known:
        found = self.table.row(answered(self.space, point, cost=False).arguments)
        return Known(found.same, found.figures)
