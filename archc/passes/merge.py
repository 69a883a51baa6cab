"""The same thing once: equal ops on equal inputs, and code nobody reads."""

from __future__ import annotations

from typing import Any

from archc.ir.graph import Graph
from archc.passes.draft import Draft, Rewrite
from archc.passes.drop import RANDOM


def common_subexpressions(graph: Graph) -> Rewrite:
    """Compute what is written twice in one scope once: equal ops that learn nothing, on the same inputs."""
    draft = Draft(graph, "common_subexpressions")
    known: dict[Any, int] = {}
    for node in graph.nodes:
        if node.op.roles() or node.cost.buffers or node.op.name in RANDOM or node.op.kind == "input":
            continue
        key = (node.op.name, node.op, draft.nodes[node.id].inputs, node.scope, node.train_only)
        first = known.setdefault(key, node.id)
        if first != node.id:
            draft.note(node.id, f"the same as {draft.path(first)}: computed once")
            draft.redirect(node.id, first)
            draft.change(node.id, inputs=())
    return draft.finish()


def dead_code(graph: Graph) -> Rewrite:
    """Remove nodes that reach no output."""
    return Draft(graph, "dead_code").finish()
