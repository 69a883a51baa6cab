"""Multipliers (γ, β, α, gains, layer scale) become part of the weights beside them, or act where little flows.

Two passes share the search: `fold_scales` changes weights, `place_scales` changes constants only, so that it is
exact while training too and every parameter stays the one it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from archc.ir.graph import Graph, Node
from archc.ops.activation import GammaActivation
from archc.ops.base import Op, elements
from archc.ops.conv import WSConv
from archc.ops.norm import GlobalResponseNorm, Normalisation
from archc.ops.scale import ChannelScale, Gain, Scale
from archc.passes.algebra import is_linear_map, scale_inputs, scale_outputs
from archc.passes.draft import Draft, Rewrite, State

# Ops f with f(k·x) = k·f(x): for one number k per channel; for one number; for one positive number.
PER_CHANNEL = frozenset(
    {"avg_pool", "global_avg_pool", "adaptive_avg_pool", "upsample", "dropout", "drop_path"}
)
HOMOGENEOUS = PER_CHANNEL | {
    "flatten", "reshape", "slice_channels", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "crop",
    "center_crop",
}  # fmt: skip
FOR_POSITIVE = HOMOGENEOUS | {
    "relu",
    "leaky_relu",
    "max_pool",
    "global_max_pool",
    "adaptive_max_pool",
}


def fold_scales(graph: Graph) -> Rewrite:
    """Fold constants and learned multipliers into the weights before or after them; what cannot be folded moves
    to the small side of a product (a gate), or behind a global pool."""
    return _Scales(Draft(graph, "fold_scales"), learned=True).run()


def place_scales(graph: Graph) -> Rewrite:
    """Fold γ and β into the gains of standardised kernels, α and the like into a learned gain, and let gains and
    drop_path act on gates rather than on feature maps. Parameters stay as they are."""
    return _Scales(Draft(graph, "place_scales"), learned=False).run()


@dataclass(frozen=True, slots=True)
class _Factor:
    """What is multiplied by. constant: None where it is learned. channels: one number per channel.

    times: a constant that goes with a learned one.
    """

    origin: int
    constant: float | None
    channels: bool
    times: float = 1.0

    def value(self, state: State) -> Any:
        if self.constant is not None:
            return self.constant
        (tensor,) = state[self.origin].values()
        return (tensor.flatten() if self.channels else tensor) * self.times


@dataclass(slots=True)
class _Plan:
    """Edits that become true together, or not at all; the nodes met on the way, each only once."""

    edits: list[Callable[[], None]] = field(default_factory=list)
    met: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Scales:
    draft: Draft
    learned: bool

    def run(self) -> Rewrite:
        for node in self.draft.graph.nodes:
            if isinstance(node.op, GammaActivation) and node.op.gamma:
                self._take_out_gamma(node)
        for _ in range(4):  # what moved may meet what can hold it
            waiting = [at for at in self._multipliers() if self._fold(at) or self._place(at)]
            if not waiting:
                break
        for at in list(self.draft.nodes):
            self._beside_its_sum(at)
        return self.draft.finish()

    def _multipliers(self) -> list[int]:
        nodes = self.draft.nodes
        found = [n.id for n in nodes.values() if n.inputs and n.op.name in ("scale", "gain", "channel_scale")]
        if not self.learned:
            found += [n.id for n in nodes.values() if n.inputs and n.op.name == "drop_path"]
        return sorted(found, key=lambda at: self.draft.rank[at])

    def _take_out_gamma(self, node: Node) -> None:
        op = node.op
        assert isinstance(op, GammaActivation)
        self.draft.change(node.id, op=replace(op, gamma=False))  # type: ignore[call-arg]  # its subclasses are the dataclasses
        factor = self.draft.append(Scale.make(factor=op.constant), node.id, name="gamma1")
        self.draft.note(node.id, f"its γ is a factor of its own, {self.draft.path(factor)}")

    # ------------------------------------------------------------ folding

    def _fold(self, at: int) -> bool:
        """Let a neighbour hold the multiplier; False where none can."""
        node = self.draft.nodes[at]
        op = node.op
        if op.name == "drop_path" or not (self.learned or isinstance(op, Scale)):
            return False
        constant, times = (op.factor, 1.0) if isinstance(op, Scale) else (None, getattr(op, "factor", 1.0))
        factor = _Factor(at, constant, isinstance(op, ChannelScale), times)
        before = _Plan()
        if self._backward(node.inputs[0], factor, before, at):
            plan = before
        else:
            plan = _Plan()
            if not self._forward(at, factor, plan):
                return False
        holders = [i for i in plan.met if not self._passes_on(i)]
        for edit in plan.edits:
            edit()
        self.draft.note(at, f"{op.label()} is held by {', '.join(map(self.draft.path, holders))}")
        for holder in holders:
            self.draft.note(holder, f"holds {op.label()} of {self.draft.path(at)}")
        self.draft.bypass(at)
        return True

    def _passes_on(self, at: int) -> bool:
        op = self.draft.nodes[at].op
        return op.name in FOR_POSITIVE or op.name in ("add", "concat", "mul")

    def _backward(self, at: int, factor: _Factor, plan: _Plan, reader: int) -> bool:
        """Whether the value a node makes can come multiplied; `reader` must be all that reads it."""
        node, user = self.draft.nodes[at], self.draft.only_user(at)
        if user is None or user.id != reader or at in plan.met:
            return False
        if not self.draft.together(node, self.draft.nodes[factor.origin]):
            return False
        plan.met.add(at)
        if self._holds(node, factor, plan, scale_outputs):
            return True
        if self._commutes(node, factor) or node.op.name == "add":
            return all(self._backward(i, factor, plan, at) for i in node.inputs)
        if node.op.name == "concat" and not factor.channels:
            return all(self._backward(i, factor, plan, at) for i in node.inputs)
        if node.op.name == "mul":
            for side in sorted(node.inputs, key=lambda i: elements(self.draft.nodes[i].shape)):
                trial = _Plan(list(plan.edits), set(plan.met))
                fits = not factor.channels or self.draft.nodes[side].shape[0] == node.shape[0]
                if fits and self._backward(side, factor, trial, at):
                    plan.edits, plan.met = trial.edits, trial.met
                    return True
        return False

    def _forward(self, at: int, factor: _Factor, plan: _Plan) -> bool:
        """Whether all that read a value can read it unmultiplied."""
        users = self.draft.users[at]
        if not users or self.draft.is_output(at) or len(set(users)) < len(users):
            return False
        for user in users:
            node = self.draft.nodes[user]
            if user in plan.met or not self.draft.together(node, self.draft.nodes[factor.origin]):
                return False
            plan.met.add(user)
            if self._holds(node, factor, plan, scale_inputs):
                continue
            through = self._commutes(node, factor) or (
                node.op.name == "mul" and self._same_channels(at, node)
            )
            if not through or not self._forward(user, factor, plan):
                return False
        return True

    def _same_channels(self, at: int, product: Node) -> bool:
        return self.draft.nodes[at].shape[0] == product.shape[0]

    def _commutes(self, node: Node, factor: _Factor) -> bool:
        name = node.op.name
        if factor.channels:
            return name in PER_CHANNEL
        positive = factor.constant is not None and factor.constant > 0
        return name in (FOR_POSITIVE if positive else HOMOGENEOUS)

    def _holds(self, node: Node, factor: _Factor, plan: _Plan, how: Callable[..., None]) -> bool:
        """Plan to let a node's own weights or constants hold the factor; False where they cannot."""
        op, at, constant = node.op, node.id, factor.constant
        draft = self.draft
        if constant is not None and (held := self._with_constant(op, constant, how)) is not None:
            plan.edits.append(lambda: draft.change(at, op=held))
        elif self.learned and is_linear_map(op):
            plan.edits.append(lambda: draft.steps.append(lambda s: how(op, s[at], factor.value(s))))
        elif self.learned and (
            isinstance(op, ChannelScale) or (isinstance(op, Gain) and not factor.channels)
        ):
            plan.edits.append(lambda: draft.steps.append(lambda s: _times(s, at, factor)))
        elif self.learned and how is scale_outputs and _has_affine(node):
            plan.edits.append(lambda: draft.steps.append(lambda s: _times(s, at, factor, ("weight", "bias"))))
        else:
            return False
        return True

    def _with_constant(self, op: Op, constant: float, how: Callable[..., None]) -> Op | None:
        """The op with a constant of its own multiplied; None where it has none, or none that stays finite."""
        held: Op | None = None
        if isinstance(op, WSConv) and how is scale_inputs:
            held = replace(op, gamma=op.gamma * constant) if isfinite(op.gamma * constant) else None
        elif isinstance(op, Scale) or (isinstance(op, Gain) and not self.learned):
            held = replace(op, factor=op.factor * constant) if isfinite(op.factor * constant) else None
        return held

    # ------------------------------------------------------------ placing

    def _place(self, at: int) -> bool:
        """Multiply the gate rather than the product, the pooled vector rather than the map; False if neither."""
        draft, node = self.draft, self.draft.nodes[at]
        source = draft.nodes[node.inputs[0]]
        if not draft.together(source, node):
            return False
        if source.op.name == "mul" and draft.only_user(source.id) is not None:
            small = min(source.inputs, key=lambda i: elements(draft.nodes[i].shape))
            shape = draft.nodes[small].shape
            smaller = elements(shape) < elements(node.shape) and shape[0] == node.shape[0]
            if not smaller or not self._fits(node, len(shape)):
                return False
            draft.note(at, f"acts on the gate of {draft.path(source.id)}, {elements(shape)} numbers")
            draft.move(source.id, at)
            self._put(at, small, source.id)
            return True
        user = draft.only_user(at)
        if user is None or node.op.name == "drop_path" or not user.op.name.startswith("global_avg"):
            return False
        stays = node.op.name != "scale" and user.scope != node.scope
        if stays or not draft.together(user, node) or not self._fits(node, len(user.shape)):
            return False
        draft.note(at, f"acts after {draft.path(user.id)}")
        draft.bypass(at)
        draft.redirect(user.id, at)
        draft.change(at, inputs=(user.id,))
        draft.move(at, user.id)
        self._reshape(at, user.id)
        return True

    def _fits(self, node: Node, rank: int) -> bool:
        """Whether a multiplier can act on a tensor of that rank: its parameter may have to be reshaped."""
        return self.learned or not isinstance(node.op, ChannelScale) or len(node.shape) == rank

    def _put(self, at: int, small: int, product: int) -> None:
        """Move a multiplier of a product onto one of its sides."""
        draft = self.draft
        draft.redirect(at, product)
        sides = [at if i == small else i for i in draft.nodes[product].inputs]
        draft.change(at, inputs=(small,))
        draft.change(product, inputs=sides)
        draft.rank[product] = max(draft.rank[product], draft.rank[at])
        self._reshape(at, small)

    def _reshape(self, at: int, source: int) -> None:
        node, shape = self.draft.nodes[at], self.draft.nodes[source].shape
        self.draft.nodes[at] = replace(node, shape=shape)
        if isinstance(node.op, ChannelScale) and len(shape) != len(node.shape):
            size = (-1, 1, 1) if len(shape) == 3 else (-1,)
            self.draft.steps.append(lambda s: s[at].update(scale=s[at]["scale"].reshape(size)))

    def _beside_its_sum(self, at: int) -> None:
        """Move a gated product into the scope of the sum it ends in: the two are one call there."""
        draft, node = self.draft, self.draft.nodes[at]
        user = draft.only_user(at)
        if node.op.name != "mul" or user is None or user.op.name != "add" or not draft.together(node, user):
            return
        around = set(draft.graph.ancestors(node.scope))
        gated = min(elements(draft.nodes[i].shape) for i in node.inputs) < elements(node.shape)
        if gated and user.scope in around:
            draft.move(at, user.id)


def _has_affine(node: Node) -> bool:
    op = node.op
    return (
        isinstance(op, Normalisation)
        and not isinstance(op, GlobalResponseNorm)
        and op.affine_init() is not None
    )


def _times(state: State, at: int, factor: _Factor, names: tuple[str, ...] = ()) -> None:
    tensors = state[at]
    for name in names or tuple(tensors):
        value = factor.value(state)
        shaped = value.reshape(tensors[name].shape) if factor.channels else value
        tensors[name] = tensors[name] * shaped
