"""What tests ask of rewrites."""

from __future__ import annotations

from archc.ir import Graph
from archc.ir.verify import verify_graph
from archc.measure.deploy import verify_rewrite
from archc.passes.draft import Rewrite
from archc.passes.pipeline import optimize, passes_named


def rewrite_of(graph: Graph, *names: str) -> Rewrite:
    made = optimize(graph, passes_named(names))
    verify_graph(made.graph)
    assert verify_rewrite(graph, made).ok
    return made


def ops_of(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes if node.op.kind != "input"]
