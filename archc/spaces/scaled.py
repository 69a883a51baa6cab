"""Applying a scale to a spec: its parameters `width`, `depth` and `resolution` multiplied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from archc.diagnostics import ArchError, Diagnostic, Source, Span
from archc.elaborate import load
from archc.elaborate.arch_statements import METRICS
from archc.elaborate.calculation import number
from archc.ir import Graph
from archc.spaces.classes import every_point
from archc.spaces.flat import flat_text
from archc.spaces.points import graph_of
from archc.spaces.scaling import Scale
from archc.spaces.space import Request, Space

PARAMETERS = ("width", "depth", "resolution")


@dataclass(frozen=True, slots=True)
class Scaled:
    """A scaled network; changed: its new arguments."""

    graph: Graph
    changed: tuple[tuple[str, float | int], ...]

    def text(self, name: str) -> str:
        """Its spec, flat."""
        cost = self.graph.cost
        expect = f"expect params = {cost.params:_}, macs = {cost.macs:_}, activations = {cost.activations:_}"
        shown = ", ".join(f"{key} = {value}" for key, value in self.changed)
        return flat_text(self.graph, name, f"{self.graph.name} with {shown}.", (expect,))


def scaled(spec: str, by: Scale) -> Scaled:
    """The network with its width and depth multiplied, and its resolution, rounded to whole pixels.

    A spec without `resolution` gets a larger input. Raises ArchError where it lacks what has to change.
    """
    graph = load(spec)
    have = dict(graph.arguments)
    arguments: dict[str, Any] = {}
    for name in PARAMETERS[:2]:
        factor = getattr(by, name)
        if type(have.get(name)) in (int, float):
            arguments[name] = have[name] * factor
        elif factor != 1:
            raise _lacks(spec, name, have)
    size: tuple[int, ...] | None = None
    changed = dict(arguments)
    if type(have.get("resolution")) is int:
        changed["resolution"] = arguments["resolution"] = round(have["resolution"] * by.resolution)
    elif by.resolution != 1:
        channels, *sides = graph.inputs[0].shape
        size = (channels, *(round(side * by.resolution) for side in sides))
        changed["input"] = " x ".join(map(str, size))
    return Scaled(load(spec, input=size, **arguments), tuple(changed.items()))


def _lacks(spec: str, name: str, have: dict[str, Any]) -> ArchError:
    help = f"it has: {', '.join(have) or 'none'}; a strategy that leaves {name} as it is may do"
    span = Span(Source(spec, ""), 0, 0)
    return ArchError([Diagnostic("E0526", f"{spec} has no number `{name}` to scale", span, "", (help,))])


def scorer(expression: str) -> Callable[[Graph, Scale], float]:
    """An expression of a network's figures and of its scale as a function. Raises ArchError."""
    compute = number(expression, (*METRICS, *PARAMETERS), "--score")

    def score(graph: Graph, by: Scale) -> float:
        values: dict[str, Any] = {name: metric(graph) for name, metric in METRICS.items()}
        return compute(values | {name: getattr(by, name) for name in PARAMETERS})

    return score


def every(name: str) -> Iterator[Graph]:
    """Every network of a small design space. Raises ArchError where it has too many."""
    space = Space(Request(name))
    for point in every_point(space):
        yield graph_of(space, point)
