"""Batch normalisation, a constant map per channel once training is over, as part of the weights beside it."""

from __future__ import annotations

from archc.ir.graph import Graph
from archc.ops.norm import BatchNorm
from archc.passes.algebra import (
    has_no_padding,
    is_linear_map,
    norm_affine,
    scale_inputs,
    scale_outputs,
    shift_inputs,
    shift_outputs,
    with_bias,
)
from archc.passes.draft import Draft, Rewrite, State


def fold_norm(graph: Graph) -> Rewrite:
    """Fold batch normalisation into the convolution or linear layer before it, or into those after it.

    Before: nothing else reads that layer. After: all that read the norm are such layers without padding, whose
    border would see the shift where it is zero.
    """
    draft = Draft(graph, "fold_norm")
    for node in graph.nodes:
        if isinstance(node.op, BatchNorm) and not _into_before(draft, node.id, node.op.eps):
            _into_after(draft, node.id, node.op.eps)
    return draft.finish()


def _into_before(draft: Draft, norm: int, eps: float) -> bool:
    at = draft.nodes[norm].inputs[0]
    layer = draft.nodes[at]
    if draft.only_user(at) is None or not is_linear_map(layer.op):
        return False
    if not draft.together(layer, draft.nodes[norm]):
        return False
    op = layer.op

    def step(state: State) -> None:
        factor, shift = norm_affine(state[norm], eps)
        scale_outputs(op, state[at], factor)
        shift_outputs(state[at], shift)

    draft.steps.append(step)
    draft.note(norm, f"folded into the weights and bias of {draft.path(at)}")
    draft.note(at, f"its weights and bias hold {draft.path(norm)} too")
    draft.change(at, op=with_bias(op))
    draft.bypass(norm)
    return True


def _into_after(draft: Draft, norm: int, eps: float) -> None:
    users = [draft.nodes[u] for u in dict.fromkeys(draft.users[norm])]
    fits = all(has_no_padding(u.op) and is_linear_map(u.op) for u in users)
    if not users or draft.is_output(norm) or not fits:
        return
    if not all(draft.together(draft.nodes[norm], user) for user in users):
        return
    ops = {user.id: user.op for user in users}

    def step(state: State) -> None:
        factor, shift = norm_affine(state[norm], eps)
        for at, op in ops.items():
            shift_inputs(op, state[at], shift)
            scale_inputs(op, state[at], factor)

    draft.steps.append(step)
    for at, op in ops.items():
        draft.note(at, f"its weights and bias hold {draft.path(norm)}, which came before it")
        draft.change(at, op=with_bias(op))
    draft.note(norm, f"folded into {', '.join(draft.path(at) for at in ops)} after it")
    draft.bypass(norm)
