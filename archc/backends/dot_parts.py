"""Parts of a graph as all drawings show them: the heading and single nodes."""

from __future__ import annotations

from collections.abc import Iterable

from archc.analyses.figures import shape_text
from archc.backends.dot_style import FAINT, KINDS, LINE, PALETTE, Line, Swatches, figures, op_box, pill
from archc.backends.dot_units import node_label, wrapped
from archc.ir.graph import Graph, Node

DOC_WIDTH, DOC_LINES = 84, 2  # of the docstring in a heading


def title_lines(graph: Graph, legend: tuple[Swatches, ...] = ()) -> tuple[Line | Swatches, ...]:
    """The heading of a drawing: name, the docstring's first line, the totals, what colours mean."""
    return (
        Line(graph.name, 14, bold=True, colour=LINE),
        *(
            Line(text, 10, colour=LINE)
            for text in wrapped(graph.doc.strip().partition("\n")[0], DOC_WIDTH, DOC_LINES)
        ),
        Line(figures(graph.cost), 10, colour=LINE),
        *legend,
    )


def kinds_legend(kinds: Iterable[str]) -> tuple[Swatches, ...]:
    """What the colours of boxes mean; nothing where there is one colour or none."""
    shown = set(kinds)
    entries = tuple((*PALETTE[kind], meaning) for kind, meaning in KINDS.items() if kind in shown)
    return (Swatches("", entries),) if len(entries) > 1 else ()


def node_box(graph: Graph, node: Node, *, shape: bool = False) -> dict[str, str]:
    """Attributes of a single node's box, with its shape on a second line or without."""
    if node.op.kind == "input":
        return pill(Line(node.name, bold=True), Line(shape_text(node.shape), 9, colour=FAINT))
    second = shape_text(node.shape) if shape else ""
    return op_box(node.op, node_label(graph, node), train_only=node.train_only, second=second)
