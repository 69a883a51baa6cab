"""What does nothing, or nothing outside of training, goes."""

from __future__ import annotations

from archc.ir.graph import Graph
from archc.ops.base import Op, Shape
from archc.passes.draft import Draft, Rewrite

RANDOM = frozenset({"dropout", "drop_path"})
"""Ops that draw random numbers in training."""


def is_identity(op: Op, before: Shape, after: Shape) -> bool:
    """Whether an op of one input hands it on."""
    if op.name in ("add", "concat", "mul"):
        return True
    if before != after:
        return False
    arguments = op.arguments()
    if op.name in RANDOM:
        return bool(getattr(op, "effective_rate", arguments["rate"]) == 0)
    if op.name in ("max_pool", "avg_pool"):
        return bool(arguments["kernel"] == (1, 1))
    if op.name == "channel_shuffle":
        return bool(arguments["groups"] == 1)
    if op.name == "scale":
        return bool(arguments["factor"] == 1)
    return op.name in ("crop", "center_crop", "slice_channels", "reshape", "flatten", "pad", "upsample")


def drop_training(graph: Graph) -> Rewrite:
    """Remove dropout, drop_path and the outputs that exist in training only, with all that only they need."""
    draft = Draft(graph, "drop_training")
    for node in graph.nodes:
        if node.op.name in RANDOM:
            draft.note(node.id, "does nothing outside of training: removed")
            draft.bypass(node.id)
        elif node.train_only and draft.is_output(node.id):
            draft.note(node.id, "an output of training only: removed with what only it needs")
    draft.outputs = tuple(o for o in draft.outputs if not o.train_only)
    return draft.finish()


def drop_identities(graph: Graph) -> Rewrite:
    """Remove ops that hand their input on, and zeros from sums."""
    draft = Draft(graph, "drop_identities")
    for node in graph.nodes:
        inputs = draft.nodes[node.id].inputs
        if node.op.name == "add":
            terms = [i for i in inputs if draft.nodes[i].op.name != "zero"] or inputs[:1]
            if len(terms) < len(inputs):
                draft.note(node.id, "zeros left out of the sum")
                draft.change(node.id, inputs=terms)
                inputs = tuple(terms)
        if len(inputs) == 1 and is_identity(node.op, draft.nodes[inputs[0]].shape, node.shape):
            draft.note(node.id, "hands on its input: removed")
            draft.bypass(node.id)
    return draft.finish()
