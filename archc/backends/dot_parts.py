"""Parts of a graph as all drawings show them: the heading and single nodes."""

from __future__ import annotations

import textwrap

from archc.analyses.figures import shape_text
from archc.backends.dot_style import FAINT, LINE, Line, figures, op_box, pill
from archc.backends.dot_units import node_label
from archc.ir.graph import Graph, Node


def title_lines(graph: Graph, legend: str = "") -> tuple[Line, ...]:
    """The heading of a drawing: name, the docstring's first line, the totals, what colours mean."""
    doc = textwrap.wrap(graph.doc.strip().partition("\n")[0], 96, max_lines=2, placeholder=" …")
    return (
        Line(graph.name, 14, bold=True, colour=LINE),
        *(Line(text, 10, colour=LINE) for text in doc),
        Line(figures(graph.cost), 10, colour=LINE),
        *([Line(legend, 9, colour=LINE)] if legend else []),
    )


def node_box(graph: Graph, node: Node, *, shape: bool = False) -> dict[str, str]:
    """Attributes of a single node's box, with its shape on a second line or without."""
    if node.op.kind == "input":
        return pill(Line(node.name, bold=True), Line(shape_text(node.shape), 9, colour=FAINT))
    second = shape_text(node.shape) if shape else ""
    return op_box(node.op, node_label(graph, node), train_only=node.train_only, second=second)
