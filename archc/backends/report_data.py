"""What the report page knows of a graph: compact lists, as a page may hold thousands of nodes.

The page's model.js reads them by position, in the order of the tuples built here.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from archc.backends.dot_style import KINDS
from archc.backends.dot_units import calls, node_label, runs
from archc.backends.report_spec import coloured
from archc.diagnostics import Source, Span
from archc.ir.graph import Graph
from archc.ops.base import Cost
from archc.ops.params import show

MAX_ARGUMENTS = 400  # characters of a call's arguments


class _Table:
    """Values seen so far, each with its index."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}

    def __call__(self, value: Hashable) -> int:
        return self.index.setdefault(value, len(self.index))

    @property
    def values(self) -> list[Any]:
        return list(self.index)


def report_data(graphs: list[Graph]) -> dict[str, Any]:
    """JSON-ready data of some graphs, and of the sources they came from.

    networks: one a graph. kinds: what colours of boxes mean. sources: name, text and coloured ranges of every file a span
    points into, the files of the archs first. spans: [source, start, end, line], offsets counted in UTF-16 units as
    JavaScript does.
    """
    sources, spans = _Table(), _Table()
    for graph in graphs:
        if graph.scopes[0].span:
            sources(graph.scopes[0].span.source)

    def span(value: Span | None) -> int:
        if value is None or not value.source.text:
            return -1
        return spans((sources(value.source), value.start, value.end))

    networks = [_network(graph, span) for graph in graphs]
    found: list[Source] = sources.values
    return {
        "networks": networks,
        "kinds": KINDS,
        "spans": [
            [at, _units(found[at], start), _units(found[at], end), found[at].position(start)[0]]
            for at, start, end in spans.values
        ],
        "sources": [
            {
                "name": s.name,
                "text": s.text,
                "colours": [[kind, _units(s, start), _units(s, end)] for kind, start, end in coloured(s)],
            }
            for s in found
        ],
    }


def _network(graph: Graph, span: Any) -> dict[str, Any]:
    labels, kinds, shapes, costs = _Table(), _Table(), _Table(), _Table()
    nodes = [
        [
            labels(node_label(graph, n)),
            kinds(n.op.kind),
            labels(n.op.name),
            list(n.inputs),
            shapes(n.shape),
            costs(tuple(cost_row(n.cost))),
            n.name,
            n.scope,
            span(n.span),
            int(n.train_only),
        ]
        for n in graph.nodes
    ]
    scopes = [
        [s.parent, s.name, s.kind, s.block, " ".join(call), _arguments(s.arguments), span(s.span)]
        for s, call in zip(graph.scopes, calls(graph), strict=True)
    ]
    return {
        "name": graph.name,
        "doc": graph.doc.strip(),
        "call": _arguments(graph.arguments),
        "info": [[name, show(value)] for name, value in graph.info],
        "cost": cost_row(graph.cost),
        "trainOnly": cost_row(graph.train_only_cost),
        "labels": labels.values,
        "kinds": kinds.values,
        "shapes": [list(shape) for shape in shapes.values],
        "costs": [list(cost) for cost in costs.values],
        "nodes": nodes,
        "scopes": scopes,
        "runs": [list(run) for run in runs(graph)],
        "outputs": [[o.name, o.node, int(o.train_only)] for o in graph.outputs],
    }


def cost_row(cost: Cost) -> list[int]:
    """A cost as the page orders its columns."""
    return [cost.params, cost.macs, cost.flops, cost.activations, cost.buffers]


def _arguments(arguments: tuple[tuple[str, Any], ...]) -> str:
    text = ", ".join(f"{name} = {show(value)}" for name, value in arguments)
    return text if len(text) <= MAX_ARGUMENTS else text[: MAX_ARGUMENTS - 1] + "…"


def _units(source: Source, offset: int) -> int:
    """A character offset as UTF-16 units: those beyond the basic plane count twice."""
    if source.text.isascii():
        return offset
    return len(source.text[:offset].encode("utf-16-le", "surrogatepass")) // 2
