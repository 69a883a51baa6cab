"""Drawings of a graph, at four levels; see `draw`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from archc.analyses.figures import shape_text
from archc.backends.dot_style import (
    FAINT,
    LINE,
    Line,
    box,
    call_lines,
    figures,
    label,
    new_digraph,
    op_box,
    panel,
    pill,
)
from archc.backends.dot_units import Unit, children, fold, section_units, stage_units
from archc.backends.graphviz_process import run_dot
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from graphviz import Digraph

Level = Literal["network", "stage", "block", "op"]
MAX_PARTS = 6  # ops named in the box of a section that is a composition


def draw(graph: Graph, level: Level = "network") -> Digraph:
    """A Graphviz drawing of a graph.

    network: its sections, with shapes and cost. stage: the blocks of each section, equal ones folded.
    block: each distinct block once, as papers draw them. op: every node, clustered by scope.
    """
    from archc.backends.dot_blocks import draw_blocks

    return {"network": _network, "stage": _stages, "block": draw_blocks, "op": _ops}[level](graph)


def svg(graph: Graph, level: Level = "network") -> str:
    """The drawing as SVG text; raises ArchError where Graphviz is missing or fails."""
    return run_dot(draw(graph, level).source, "svg").decode()


def title_lines(graph: Graph) -> tuple[Line, ...]:
    """The heading of a drawing: name, the docstring's first line, the totals."""
    doc = graph.doc.strip().partition("\n")[0]
    return (
        Line(graph.name, 14, bold=True, colour=LINE),
        *([Line(doc if len(doc) <= 90 else doc[:89] + "…", 10, colour=LINE)] if doc else []),
        Line(figures(graph.cost), 10, colour=LINE),
    )


def _network(graph: Graph) -> Digraph:
    drawing = new_digraph(graph.name, title=title_lines(graph))
    units = section_units(graph)
    for unit in units:
        if unit.scope >= 0:
            drawing.node(unit.key, label=_section_label(graph, unit), margin="0.2,0.08", **_look(unit))
        else:
            _draw_single(graph, drawing, unit)
    _finish(graph, drawing, units, {node.id: unit for unit in units for node in unit.nodes})
    return drawing


def _stages(graph: Graph) -> Digraph:
    drawing = new_digraph(graph.name, title=title_lines(graph))
    units, home = fold(graph, stage_units(graph))
    inside: dict[int, list[Unit]] = {}
    for unit in units:
        section = next((s for s in _up(graph, unit) if graph.scopes[s].kind == "section"), 0)
        inside.setdefault(section, []).append(unit)
    for section, members in inside.items():
        if section == 0:
            for unit in members:
                _draw_unit(graph, drawing, unit)
            continue
        with drawing.subgraph(name=f"cluster_s{section}") as cluster:
            cluster.attr(**panel(label(Line(graph.scope_path(section), 11, bold=True))))
            for unit in members:
                _draw_unit(graph, cluster, unit)
    _finish(graph, drawing, units, home)
    return drawing


def _ops(graph: Graph) -> Digraph:
    drawing = new_digraph(graph.name, title=title_lines(graph))
    below = children(graph)
    direct: dict[int, list[Unit]] = {}
    for node in graph.nodes:
        direct.setdefault(node.scope, []).append(Unit(-1, [node]))

    def fill(into: Any, scope: int) -> None:
        for unit in direct.get(scope, []):
            _draw_single(graph, into, unit, shapes=True)
        for inner in below.get(scope, []):
            with into.subgraph(name=f"cluster_s{inner}") as cluster:
                scope = graph.scopes[inner]
                lines = [Line(text, 9, colour=FAINT) for text in call_lines(scope)]
                if scope.name != scope.block:
                    lines.insert(0, Line(scope.name, 10, bold=True))
                cluster.attr(**panel(label(*lines, left=True), margin="8"))
                fill(cluster, inner)

    fill(drawing, 0)
    home = {unit.nodes[0].id: unit for units in direct.values() for unit in units}
    _finish(graph, drawing, list(home.values()), home, shapes=False)
    return drawing


def _draw_unit(graph: Graph, into: Any, unit: Unit) -> None:
    if unit.scope < 0:
        _draw_single(graph, into, unit)
        return
    calls = call_lines(graph.scopes[unit.scope]) or [_composition(graph, unit)]
    times = [Line(f"× {unit.count}", 11, bold=True)] if unit.count > 1 else []
    text = label(*(Line(c) for c in calls), *times, Line(figures(unit.cost), 8, colour=FAINT))
    into.node(unit.key, label=text, margin="0.15,0.07", **_look(unit))


def _look(unit: Unit) -> dict[str, str]:
    return box("section", train_only=all(node.train_only for node in unit.nodes))


def _draw_single(graph: Graph, into: Any, unit: Unit, *, shapes: bool = False) -> None:
    (node,) = unit.nodes
    if node.op.kind == "input":
        into.node(unit.key, **pill(Line(node.name, bold=True), Line(shape_text(node.shape), 9, colour=FAINT)))
        return
    second = shape_text(node.shape) if shapes else ""
    into.node(unit.key, **op_box(node.op, node.op.label(), train_only=node.train_only, second=second))


def _section_label(graph: Graph, unit: Unit) -> str:
    scope = graph.scopes[unit.scope]
    repeats = [s for s in graph.scopes if s.parent == unit.scope and s.kind == "repeat"]
    name = graph.scope_path(unit.scope) + (f"  × {len(repeats)}" if len(repeats) > 1 else "")
    calls = call_lines(repeats[0] if repeats else scope) or [_composition(graph, unit)]
    return label(
        Line(name, 12, bold=True), *(Line(c) for c in calls), Line(figures(unit.cost), 9, colour=FAINT)
    )


def _composition(graph: Graph, unit: Unit) -> str:
    """`conv → gelu → global_avg_pool → linear`: the blocks and ops a scope is made of."""
    below = {c: graph.scopes[c].block for c in children(graph).get(unit.scope, [])}
    parts: list[str] = []
    seen = set()
    for node in unit.nodes:
        inner = next((s for s in graph.ancestors(node.scope) if s in below), -1)
        if inner < 0:
            parts.append(node.op.name)
        elif inner not in seen:
            seen.add(inner)
            parts.append(below[inner] or graph.scopes[inner].name)
    shown = parts if len(parts) <= MAX_PARTS else [*parts[: MAX_PARTS - 2], "…", parts[-1]]
    return " → ".join(shown)


def _finish(
    graph: Graph, drawing: Any, units: list[Unit], home: dict[int, Unit], *, shapes: bool = True
) -> None:
    """Edges between boxes, labelled with the shapes that flow, and the outputs."""
    order = {unit.key: i for i, unit in enumerate(units)}
    for source, target, shape in dict.fromkeys(_edges(graph, home)):
        # the chain of sections stays straight; what skips some of it bends
        weight = "8" if order[target] == order[source] + 1 else "1"
        drawing.edge(source, target, weight=weight, **({"label": f" {shape} "} if shapes and shape else {}))
    for i, output in enumerate(graph.outputs):
        node = graph.nodes[output.node]
        name = output.name + (" (training)" if output.train_only else "")
        drawing.node(
            f"out{i}",
            **pill(
                Line(name, bold=True),
                Line(shape_text(node.shape), 9, colour=FAINT),
                train_only=output.train_only,
            ),
        )
        drawing.edge(home[node.id].key, f"out{i}", **({"style": "dashed"} if output.train_only else {}))


def _edges(graph: Graph, home: dict[int, Unit]) -> Iterable[tuple[str, str, str]]:
    """(source, target, shape) of every edge between boxes; no shape where it is seen just before."""
    for node in graph.nodes:
        for i in node.inputs:
            source, target = graph.nodes[i], home[node.id]
            if home[i] is target:
                continue
            same = source.op.kind == "input" or (
                source.scope == node.scope
                and home[i].scope == target.scope == -1
                and source.shape == graph.nodes[source.inputs[0]].shape
            )
            yield home[i].key, target.key, "" if same else shape_text(source.shape)


def _up(graph: Graph, unit: Unit) -> Iterable[int]:
    return graph.ancestors(unit.scope if unit.scope >= 0 else unit.nodes[0].scope)
