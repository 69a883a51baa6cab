"""Drawings of a graph, at four levels; see `draw`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from archc.analyses.figures import shape_text
from archc.backends.dot_style import (
    FAINT,
    LINE,
    Line,
    box,
    figures,
    label,
    new_digraph,
    op_box,
    panel,
    pill,
)
from archc.backends.dot_units import MAX_WIDTH, Unit, calls, children, fold, section_units, stage_units
from archc.backends.graphviz_process import run_dot
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from graphviz import Digraph

Level = Literal["network", "stage", "block", "op"]
MAX_PARTS = 8  # ops named in the box of a section that is a composition


def draw(graph: Graph, level: Level = "network") -> Digraph:
    """A Graphviz drawing of a graph.

    network: its sections, with shapes and cost. stage: the blocks of each section, equal ones folded.
    block: each distinct block once, as papers draw them. op: every node, clustered by scope.
    """
    from archc.backends.dot_blocks import draw_blocks

    if level == "block":
        return draw_blocks(graph)
    drawing = _Drawing(graph)
    {"network": drawing.network, "stage": drawing.stages, "op": drawing.ops}[level]()
    return drawing.dot


def svg(graph: Graph, level: Level = "network") -> str:
    """The drawing as SVG text; raises ArchError where Graphviz is missing or fails."""
    return run_dot(draw(graph, level).source, "svg").decode()


def title_lines(graph: Graph) -> tuple[Line, ...]:
    """The heading of a drawing: name, the docstring's first line, the totals."""
    doc = textwrap.wrap(graph.doc.strip().partition("\n")[0], 96, max_lines=2, placeholder=" …")
    return (
        Line(graph.name, 14, bold=True, colour=LINE),
        *(Line(text, 10, colour=LINE) for text in doc),
        Line(figures(graph.cost), 10, colour=LINE),
    )


class _Drawing:
    """A drawing of a whole graph in the making."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.dot = new_digraph(graph.name, title=title_lines(graph))
        self.calls = calls(graph)
        self.below = children(graph)

    def network(self) -> None:
        units = section_units(self.graph)
        for unit in units:
            if unit.scope >= 0:
                self.dot.node(unit.key, label=self._section_label(unit), margin="0.2,0.08", **_look(unit))
            else:
                self._draw_single(self.dot, unit)
        self._finish(units, {node.id: unit for unit in units for node in unit.nodes})

    def stages(self) -> None:
        units, home = fold(self.graph, stage_units(self.graph))
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

    def ops(self) -> None:
        direct: dict[int, list[Unit]] = {}
        for node in self.graph.nodes:
            direct.setdefault(node.scope, []).append(Unit(-1, [node]))

        def fill(into: Any, scope: int) -> None:
            for unit in direct.get(scope, []):
                self._draw_single(into, unit, shapes=True)
            for inner in self.below.get(scope, []):
                with into.subgraph(name=f"cluster_s{inner}") as cluster:
                    name = self.graph.scopes[inner].name
                    lines = [Line(text, 9, colour=FAINT) for text in self.calls[inner]]
                    if name != self.graph.scopes[inner].block:
                        lines.insert(0, Line(name, 10, bold=True))
                    cluster.attr(**panel(label(*lines, left=True), margin="8"))
                    fill(cluster, inner)

        fill(self.dot, 0)
        home = {unit.nodes[0].id: unit for units in direct.values() for unit in units}
        self._finish(list(home.values()), home, shapes=False)

    def _draw_unit(self, into: Any, unit: Unit) -> None:
        if unit.scope < 0:
            self._draw_single(into, unit)
            return
        lines = self.calls[unit.scope] or self._composition(unit)
        times = [Line(f"× {unit.count}", 11, bold=True)] if unit.count > 1 else []
        text = label(*map(Line, lines), *times, Line(figures(unit.cost), 8, colour=FAINT))
        into.node(unit.key, label=text, margin="0.15,0.07", **_look(unit))

    def _draw_single(self, into: Any, unit: Unit, *, shapes: bool = False) -> None:
        (node,) = unit.nodes
        if node.op.kind == "input":
            into.node(
                unit.key, **pill(Line(node.name, bold=True), Line(shape_text(node.shape), 9, colour=FAINT))
            )
            return
        second = shape_text(node.shape) if shapes else ""
        into.node(unit.key, **op_box(node.op, node_label(self.graph, node), train_only=node.train_only, second=second))

    def _section_label(self, unit: Unit) -> str:
        repeats = [s for s in self.below.get(unit.scope, []) if self.graph.scopes[s].kind == "repeat"]
        name = self.graph.scope_path(unit.scope) + (f"  × {len(repeats)}" if len(repeats) > 1 else "")
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
        # no-break spaces keep `3 × conv` on one line
        text = " → ".join(part.replace(" ", "\xa0") for part in shown)
        return [line.replace("\xa0", " ") for line in textwrap.wrap(text, MAX_WIDTH + 8)]

    def _finish(self, units: list[Unit], home: dict[int, Unit], *, shapes: bool = True) -> None:
        """Edges between boxes, labelled with the shapes that flow, and the outputs."""
        order = {unit.key: i for i, unit in enumerate(u for u in units if not _only_trains(u))}
        for source, target, shape in dict.fromkeys(self._edges(home)):
            # the chain of sections stays straight; what skips some of it bends
            straight = source in order and order.get(target) == order[source] + 1
            weight = "8" if straight else "1"
            self.dot.edge(
                source, target, weight=weight, **({"label": f" {shape} "} if shapes and shape else {})
            )
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
