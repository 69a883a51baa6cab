"""Figures of two-input cells, as the papers of NASNet (pairs of operators) or DARTS (labelled edges) draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from archc.backends.cells import IDENTITY, Found, Operand, cells
from archc.backends.dot_parts import kinds_legend, title_lines
from archc.backends.dot_style import FAINT, LINE, Line, box, inset, label, new_digraph, panel, pill
from archc.backends.dot_units import MAX_WIDTH, joined_paths, wrapped
from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from graphviz import Digraph

Style = Literal["pairs", "edges"]


def draw_cells(graph: Graph, style: Style = "pairs") -> Digraph:
    """Each distinct cell once. pairs: operators are boxes below the sum they enter, inputs at the bottom.
    edges: nodes are boxes from left to right, operators stand on the arrows.

    Raises ArchError E0703 where a graph has no such cell.
    """
    found = sorted(cells(graph), key=lambda one: one.cell.reduces)
    if not found:
        raise ArchError(
            [
                Diagnostic(
                    "E0703",
                    f"{graph.name} has no two-input cells",
                    NOWHERE,
                    help=("draw its blocks instead: --level block",),
                )
            ]
        )
    kinds = (operand.kind for one in found for pair in one.cell.nodes for operand in pair)
    legend = kinds_legend(kinds) if style == "pairs" else ()
    drawing = new_digraph(graph.name, title=title_lines(graph, legend), horizontal_gap=0.2)
    drawing.attr(rankdir="BT" if style == "pairs" else "LR")
    # from left to right Graphviz draws what comes first at the bottom
    for number, one in enumerate(found if style == "pairs" else reversed(found)):
        with drawing.subgraph(name=f"cluster_c{number}") as cluster:
            cluster.attr(
                **panel(label(*_heading(graph, one), left=True)), labelloc="b" if style == "pairs" else "t"
            )
            if style == "pairs":
                _pairs(cluster, one, f"c{number}")
            else:
                _edges(cluster, one, f"c{number}")
    return drawing


def _pairs(cluster: Any, found: Found, prefix: str) -> None:
    _inputs(cluster, found, prefix)
    for i, pair in enumerate(found.cell.nodes):
        with cluster.subgraph(name=f"cluster_{prefix}p{i}") as inner:
            inner.attr(**inset(""))
            inner.node(f"{prefix}n{i}", label=label(Line("add")), **_round("merge"))
            for side, operand in zip("ab", pair, strict=True):
                look = {**box(operand.kind), **({"style": "rounded,filled,dashed"} if _bare(operand) else {})}
                inner.node(f"{prefix}n{i}{side}", label=label(*_words(operand.operator)), **look)
                inner.edge(f"{prefix}n{i}{side}", f"{prefix}n{i}")
    for i, pair in enumerate(found.cell.nodes):
        for side, operand in zip("ab", pair, strict=True):
            cluster.edge(_name(prefix, operand.source), f"{prefix}n{i}{side}")
    _output(cluster, found, prefix)


def _edges(cluster: Any, found: Found, prefix: str) -> None:
    _inputs(cluster, found, prefix)
    for i, pair in enumerate(found.cell.nodes):
        cluster.node(f"{prefix}n{i}", label=label(Line(str(i))), **box("conv"), width="0.4")
        for operand in pair:
            text = label(Line(f" {operand.operator} ", 9, colour=LINE))
            cluster.edge(_name(prefix, operand.source), f"{prefix}n{i}", label=text)
    _output(cluster, found, prefix)


def _inputs(cluster: Any, found: Found, prefix: str) -> None:
    read = {operand.source for pair in found.cell.nodes for operand in pair} | set(found.cell.outputs)
    with cluster.subgraph() as together:
        together.attr(rank="same")
        for source in sorted(s for s in read if s < 0):
            together.node(_name(prefix, source), **pill(Line(f"cell k−{-source}", bold=True)))


def _output(cluster: Any, found: Found, prefix: str) -> None:
    cluster.node(f"{prefix}concat", label=label(Line("concat")), **box("merge"))
    cluster.node(f"{prefix}out", **pill(Line("cell k", bold=True)))
    cluster.edge(f"{prefix}concat", f"{prefix}out")
    for source in dict.fromkeys(found.cell.outputs):
        cluster.edge(_name(prefix, source), f"{prefix}concat")


def _heading(graph: Graph, found: Found) -> list[Line]:
    kind = "reduction cell" if found.cell.reduces else "normal cell"
    times = f"  × {len(found.places)}" if len(found.places) > 1 else ""
    sections = [graph.scope_path(place).partition(".")[0] for place in found.places]
    where = wrapped(", ".join(joined_paths(sections)), MAX_WIDTH, 2)
    return [Line(kind + times, 12, bold=True), *(Line(text, 9, colour=FAINT) for text in where)]


def _name(prefix: str, source: int) -> str:
    return f"{prefix}n{source}" if source >= 0 else f"{prefix}in{-source}"


def _bare(operand: Operand) -> bool:
    return operand.operator == IDENTITY


def _words(operator: str) -> list[Line]:
    """`sep conv` above `5×5`, as the papers break it."""
    words, _, size = operator.rpartition(" ")
    return [Line(words), Line(size)] if words and "×" in size else [Line(operator)]


def _round(kind: str) -> dict[str, str]:
    return {**box(kind), "shape": "ellipse", "margin": "0.06,0.02"}
