"""A hash that tells whether two graphs are the same network."""

from __future__ import annotations

import hashlib
import json

from archc.ir.graph import Graph


def spec_hash(graph: Graph) -> str:
    """SHA-256 of what is computed: the ops, their arguments and how they are joined; no names, no spans."""
    nodes = [(n.op.name, n.op.arguments(), n.inputs, n.shape) for n in graph.nodes]
    outputs = [(o.name, o.node, o.train_only) for o in graph.outputs]
    text = json.dumps([nodes, outputs], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
