"""Scaled weight standardisation, done once instead of at every call."""

from __future__ import annotations

from archc.ir.graph import Graph
from archc.ops.conv import Conv, WSConv
from archc.passes.draft import Draft, Rewrite, State


def fold_weight_standardisation(graph: Graph) -> Rewrite:
    """Turn every `ws_conv` into a `conv` with the kernel in effect: standardised, times gain and γ."""
    draft = Draft(graph, "fold_weight_standardisation")
    for node in graph.nodes:
        if isinstance(node.op, WSConv):
            _fold(draft, node.id, node.op)
    return draft.finish()


def _fold(draft: Draft, at: int, op: WSConv) -> None:
    def step(state: State) -> None:
        tensors = state[at]
        weight, gain = tensors["weight"], tensors.pop("gain")
        centred = weight - weight.mean((1, 2, 3), keepdim=True)
        square = centred.square().sum((1, 2, 3), keepdim=True)
        if op.style == "deepmind":
            norm = square.clamp_min(op.effective_eps).sqrt()
        else:
            norm = (square + op.effective_eps * weight[0].numel()).sqrt()
        tensors["weight"] = centred / norm * (gain * op.gamma)

    shared = {name: value for name, value in op.arguments().items() if name in Conv.__dataclass_fields__}
    draft.steps.append(step)
    draft.change(at, op=Conv.make(**shared))
    draft.note(
        at, "a plain convolution with the standardised kernel" + (", γ in it" if op.gamma != 1 else "")
    )
