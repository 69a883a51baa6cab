"""The oracle of the canonical hash: isomorphism, found by networkx. Slow."""

from __future__ import annotations

from collections import Counter
from typing import Any

import networkx as nx

from archc.ir import Graph
from archc.spaces.canonical import ZERO, Simple, simplify


def isomorphic(one: Graph, other: Graph) -> bool:
    """Whether two graphs simplify to the same, decided by search."""
    views = []
    for graph in (one, other):
        simplified = simplify(graph)
        view = nx.DiGraph()
        for at, node in enumerate(simplified.nodes):
            ends = sorted(name for name, output in simplified.outputs if output == at)
            view.add_node(at, label=(node.token, tuple(ends)))
            for source, positions in _edges(node).items():
                view.add_edge(source, at, label=positions)
        views.append(view)

    def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
        return bool(a["label"] == b["label"])

    return bool(nx.is_isomorphic(*views, node_match=same, edge_match=same))


def _edges(node: Simple) -> dict[int, tuple[int, ...]]:
    """For each input, where it enters; how often, where the order does not matter."""
    if not node.ordered:
        return {source: (times,) for source, times in Counter(node.inputs).items()}
    found: dict[int, tuple[int, ...]] = {}
    for position, source in enumerate(node.inputs):
        if source != ZERO:
            found[source] = (*found.get(source, ()), position)
    return found
