"""Drawings of a graph, at four levels; see `draw`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from archc.analyses.figures import shape_text
from archc.backends.dot_blocks import draw_blocks
from archc.backends.dot_heat import Colour, Heat
from archc.backends.dot_ops import draw_ops
from archc.backends.dot_parts import node_box, title_lines
from archc.backends.dot_style import (
    FAINT,
    Line,
    box,
    figures,
    heading,
    label,
    new_digraph,
    op_box,
    panel,
    pill,
)
from archc.backends.dot_units import (
    MAX_WIDTH,
    TIE,
    Unit,
    calls,
    children,
    fold,
    joined_paths,
    joint_label,
    leading,
    section_units,
    stage_units,
    wrapped,
)
from archc.backends.graphviz_process import run_dot
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from graphviz import Digraph

Level = Literal["network", "stage", "block", "op"]
MAX_PARTS = 8  # ops named in the box of a section that is a composition


def draw(graph: Graph, level: Level = "network", colour: Colour = "kind") -> Digraph:
    """A Graphviz drawing of a graph.

    network: its sections, with shapes and cost, equal ones folded. stage: the blocks of each section,
    equal ones folded. block: each distinct block once, as papers draw them. op: every node, clustered by
    scope, in columns where it is long. colour: by kind of op, or heat by multiply-adds or parameters.
    """
    if level == "block":
        return draw_blocks(graph, colour)
    if level == "op":
        return draw_ops(graph, colour)
    drawing = _Drawing(graph, colour)
    {"network": drawing.network, "stage": drawing.stages}[level]()
    return drawing.dot


def svg(graph: Graph, level: Level = "network") -> str:
    """The drawing as SVG text; raises ArchError where Graphviz is missing or fails."""
    return run_dot(draw(graph, level).source, "svg").decode()


class _Drawing:
    """A drawing of a whole graph in the making."""

    def __init__(self, graph: Graph, colour: Colour) -> None:
        self.graph = graph
        self.colour = colour
        self.heat = Heat("kind", ())
        self.dot = new_digraph(graph.name, title=())
        self.calls = calls(graph)
        self.below = children(graph)

    def network(self) -> None:
        units, home = fold(self.graph, section_units(self.graph))
        self._start(units)
        for unit in units:
            if unit.scope >= 0:
                look = _look(unit) | self.heat(unit.cost)
                self.dot.node(unit.key, label=self._section_label(unit), margin="0.2,0.08", **look)
            else:
                self._draw_single(self.dot, unit)
        self._finish(units, home)

    def stages(self) -> None:
        units, home = fold(self.graph, stage_units(self.graph))
        self._start(units)
        inside: dict[int, list[Unit]] = {}
        for unit in units:
            section = next((s for s in self._up(unit) if self.graph.scopes[s].kind == "section"), 0)
            inside.setdefault(section, []).append(unit)
        for section, members in inside.items():
            if section == 0:
                for unit in members:
                    self._draw_unit(self.dot, unit)
                continue
            with self.dot.subgraph(name=f"cluster_s{section}") as cluster:
                cluster.attr(**panel(label(Line(self.graph.scope_path(section), 11, bold=True))))
                for unit in members:
                    self._draw_unit(cluster, unit)
        self._finish(units, home)

    def _start(self, units: list[Unit]) -> None:
        self.heat = Heat(self.colour, (unit.cost for unit in units))
        self.dot.attr(label=heading(*title_lines(self.graph, self.heat.legend)))

    def _draw_unit(self, into: Any, unit: Unit) -> None:
        if unit.scope < 0:
            self._draw_single(into, unit)
            return
        lines = self.calls[unit.scope] or self._composition(unit)
        times = [Line(f"× {unit.count}", 11, bold=True)] if unit.count > 1 else []
        text = label(*map(Line, lines), *times, Line(figures(unit.cost), 8, colour=FAINT))
        into.node(unit.key, label=text, margin="0.15,0.07", **_look(unit) | self.heat(unit.cost))

    def _draw_single(self, into: Any, unit: Unit) -> None:
        node = leading(unit.nodes)
        if len(unit.nodes) == unit.count == 1:
            look = node_box(self.graph, node)
        else:
            names = " · ".join(inner.op.name for inner in unit.nodes)
            times = f"  × {unit.count}" if unit.count > 1 else ""
            look = op_box(
                node.op, joint_label(unit.names), second=names + times, train_only=_only_trains(unit)
            )
        into.node(unit.key, **look | self.heat(unit.cost))

    def _section_label(self, unit: Unit) -> str:
        repeats = [s for s in self.below.get(unit.scope, []) if self.graph.scopes[s].kind == "repeat"]
        name = self.graph.scope_path(unit.scope) + (f"  × {len(repeats)}" if len(repeats) > 1 else "")
        if unit.count > 1:
            name = f"{', '.join(joined_paths(unit.names))}  × {unit.count}"
        lines = self.calls[repeats[0] if repeats else unit.scope] or self._composition(unit)
        cost = Line(figures(unit.cost), 9, colour=FAINT)
        return label(Line(name, 12, bold=True), *map(Line, lines), cost)

    def _composition(self, unit: Unit) -> list[str]:
        """`conv → gelu → global_avg_pool → linear`, wrapped: the blocks and ops a scope is made of."""
        below = {c: self.graph.scopes[c].block for c in self.below.get(unit.scope, [])}
        parts: list[str] = []
        seen = set()
        for node in unit.nodes:
            inner = next((s for s in self.graph.ancestors(node.scope) if s in below), -1)
            if inner < 0:
                parts.append(node.op.name)
            elif inner not in seen:
                seen.add(inner)
                parts.append(below[inner] or self.graph.scopes[inner].name)
        runs = [(len(list(run)), name) for name, run in groupby(parts)]
        shown = [f"{count} × {name}" if count > 1 else name for count, name in runs]
        if len(shown) > MAX_PARTS:
            shown[MAX_PARTS - 2 : -1] = ["…"]
        text = " → ".join(part.replace(" ", TIE) for part in shown)
        return [line.replace(TIE, " ") for line in wrapped(text, MAX_WIDTH + 8, MAX_PARTS)]

    def _finish(self, units: list[Unit], home: dict[int, Unit]) -> None:
        """Edges between boxes, labelled with the shapes that flow, and the outputs."""
        order = {unit.key: i for i, unit in enumerate(u for u in units if not _only_trains(u))}
        for source, target, shape in dict.fromkeys(self._edges(home)):
            # the chain of sections stays straight; what skips some of it bends
            straight = source in order and order.get(target) == order[source] + 1
            weight = "8" if straight else "1"
            self.dot.edge(source, target, weight=weight, **({"label": f" {shape} "} if shape else {}))
        for i, output in enumerate(self.graph.outputs):
            node = self.graph.nodes[output.node]
            name = output.name + (" (training)" if output.train_only else "")
            self.dot.node(
                f"out{i}",
                **pill(
                    Line(name, bold=True),
                    Line(shape_text(node.shape), 9, colour=FAINT),
                    train_only=output.train_only,
                ),
            )
            self.dot.edge(home[node.id].key, f"out{i}", **({"style": "dashed"} if output.train_only else {}))

    def _edges(self, home: dict[int, Unit]) -> Iterable[tuple[str, str, str]]:
        """(source, target, shape) of every edge between boxes; no shape where it is seen just before."""
        for node in self.graph.nodes:
            for i in node.inputs:
                source, target = self.graph.nodes[i], home[node.id]
                if home[i] is target:
                    continue
                same = source.op.kind == "input" or (
                    source.scope == node.scope
                    and home[i].scope == target.scope == -1
                    and source.shape == self.graph.nodes[source.inputs[0]].shape
                )
                yield home[i].key, target.key, "" if same else shape_text(source.shape)

    def _up(self, unit: Unit) -> Iterable[int]:
        return self.graph.ancestors(unit.scope if unit.scope >= 0 else unit.nodes[0].scope)


def _look(unit: Unit) -> dict[str, str]:
    return box("section", train_only=_only_trains(unit))


def _only_trains(unit: Unit) -> bool:
    return all(node.train_only for node in unit.nodes)
