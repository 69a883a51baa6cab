"""What an expert would write: calls that torch offers fused, activations and sums in place where that is safe.

Works on the planned items, so names of modules and parameters stay as they are. A graph's numbers change by
rounding at most (`torch.addcmul` rounds once where a product and a sum round twice).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Literal

from archc.backends.torch_pack import pack
from archc.backends.torch_plan import Item, ScopePlan, walk
from archc.ir import Graph, Node
from archc.ops.pool import MaxPool
from archc.ops.reshape import SliceChannels
from archc.ops.scale import Gain, Scale
from archc.ops.torch_code import Argument, Call, Input, TorchCode, call

Form = Literal["plain", "fast", "inference", "packed"]
"""plain: a call for every node. fast: fused and in place where autograd allows. inference: in place wherever nothing
else reads. packed: inference with convolutions, sums and activations as single calls with prepacked kernels."""

# Ops whose own backward does not read what they put out, which is a tensor of its own, so that it may be changed.
FRESH = frozenset({
    "conv", "ws_conv", "conv_transpose", "linear", "batch_norm", "group_norm", "add", "mul", "scale", "concat",
    "channel_scale",
})  # fmt: skip
# In inference nothing is saved: it suffices that the tensor is not a view of one that others read.
FRESH_IN_INFERENCE = FRESH | {
    "channel_linear", "layer_norm", "instance_norm", "grn", "gain", "max_pool", "avg_pool",
    "adaptive_avg_pool", "adaptive_max_pool", "upsample",
}  # fmt: skip
# Activations whose backward reads their output, not their input; and those that torch would copy the input for.
IN_PLACE = frozenset({"F.relu", "F.relu6", "F.leaky_relu", "F.elu", "F.celu", "F.selu"})
IN_PLACE_IN_INFERENCE = IN_PLACE | {"F.silu", "F.hardswish", "F.hardsigmoid", "F.mish"}


def fuse(graph: Graph, root: ScopePlan, form: Form) -> None:
    """Rewrite the items of all scopes, in place, for a form other than `plain`."""
    if form == "plain":
        return
    if form == "packed":
        pack(graph, root)
    users: Counter[int] = Counter(i for node in graph.nodes for i in node.inputs)
    users.update(output.node for output in graph.outputs)
    for scope in walk(root):
        _Scope(graph, scope, form, users).run()


@dataclass(slots=True)
class _Scope:
    graph: Graph
    scope: ScopePlan
    form: Form
    users: Counter[int]
    makers: dict[int, Item] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = {
            v: item for item in self.scope.items for v in item.outputs if item.node and v == item.node.id
        }

    def run(self) -> None:
        self._splits()
        for item in list(self.scope.items):
            if item.node and item.node.op.name == "add" and len(item.inputs) == 2 and not item.has_state:
                self._sum(item, item.node)
        for item in self.scope.items:
            if item.node and item.code.forward:
                item.code = replace(item.code, forward=self._in_place(item, item.code.forward))

    # ------------------------------------------------------------ slices

    def _splits(self) -> None:
        """Slices that tile the channels of one tensor as one call, whose backward is one concatenation."""
        slices: dict[tuple[int, bool], list[tuple[SliceChannels, Item]]] = defaultdict(list)
        for item in self.scope.items:
            if item.node and isinstance(item.node.op, SliceChannels):
                slices[item.inputs[0], item.train_only].append((item.node.op, item))
        for (value, _), parts in slices.items():
            first = parts[0][1]
            parts.sort(key=lambda part: part[0].start)
            edges = [0, *(op.stop for op, _ in parts)]
            tiled = edges[:-1] == [op.start for op, _ in parts]
            if len(parts) < 2 or not tiled or edges[-1] != self.graph.nodes[value].shape[0]:
                continue
            sizes = tuple(op.stop - op.start for op, _ in parts)
            code = call("Tensor.split", Input(0), sizes, dim=1)
            if len(set(sizes)) == 1:
                code = call("Tensor.chunk", Input(0), len(sizes), dim=1)
            first.code = TorchCode(forward=code)
            first.outputs = tuple(item.outputs[0] for _, item in parts)
            for _, item in parts:
                if item is not first:
                    self.scope.items.remove(item)

    # ------------------------------------------------------------ sums

    def _sum(self, item: Item, node: Node) -> None:
        """A sum with a product, a multiple or a gain as one call."""
        for term, other in (item.inputs[::-1], item.inputs):
            maker = self.makers.get(term)
            if (
                maker is None
                or maker.node is None
                or self.users[term] > 1
                or maker.train_only != item.train_only
            ):
                continue
            fused = self._fused(maker, maker.node)
            if fused is not None:
                item.inputs, item.code = (other, *maker.inputs), fused
                if fused.module:
                    item.inputs, item.name, item.node = (*maker.inputs, other), maker.name, maker.node
                self.scope.items.remove(maker)
                self.makers[node.id] = item
                return

    def _fused(self, term: Item, node: Node) -> TorchCode | None:
        """Code that adds a term to its first input, the term's inputs being the others (a module takes it last);
        None where there is none."""
        product = term.code.forward
        if isinstance(node.op, Scale):
            return TorchCode(forward=call("torch.add", Input(0), Input(1), alpha=node.op.factor))
        if isinstance(node.op, Gain) and term.code.module:
            return term.code
        if node.op.name == "mul" and product:
            return TorchCode(forward=call("torch.addcmul", Input(0), *map(_shifted, product.args)))
        return None

    # ------------------------------------------------------------ in place

    def _in_place(self, item: Item, code: Call) -> Call:
        if code.target == "operator.add" and len(code.args) == 2 and len(item.inputs) == 2:
            own_first = sorted((1, 0), key=lambda at: item.inputs[at] not in self.makers)
            for at in own_first:
                if self._may_change(item.inputs[at], item):
                    return call("Tensor.add_", Input(at), Input(1 - at))
        targets = IN_PLACE if self.form == "fast" else IN_PLACE_IN_INFERENCE
        if code.target in targets and not _falls(code) and self._may_change(item.inputs[0], item):
            return Call(code.target, code.args, (*code.kwargs, ("inplace", True)))
        if code.target == "operator.mul" and isinstance(code.args[0], Call):  # γ times an activation
            return Call(code.target, (self._in_place(item, code.args[0]), *code.args[1:]), code.kwargs)
        return code

    def _may_change(self, value: int, reader: Item) -> bool:
        """Whether nothing else reads a value, nor its maker's backward, and it is no feature map of a section."""
        made, read = self.graph.nodes[value], self.graph.nodes[reader.outputs[0]]
        if made.op.name == "drop_path":  # gives back what it is given, or a tensor of its own
            alone = self.users[value] == 1 and self.graph.section_of(made) == self.graph.section_of(read)
            return alone and self._may_change(made.inputs[0], reader)
        fresh = made.op.name in (FRESH if self.form == "fast" else FRESH_IN_INFERENCE)
        alias = made.op.name in ("add", "concat") and len(made.inputs) < 2
        alias = alias or (isinstance(made.op, MaxPool) and made.op.picks)
        together = self.graph.section_of(made) == self.graph.section_of(read)
        return fresh and not alias and self.users[value] == 1 and together


def _falls(code: Call) -> bool:
    """Whether an activation has a negative slope or alpha: torch cannot go back through it from its output."""
    return any(isinstance(value, int | float) and value < 0 for _, value in code.kwargs)


def _shifted(argument: Argument) -> Argument:
    """An argument of a call that gets one more tensor, in front."""
    if isinstance(argument, Input):
        return Input(argument.index + 1)
    if isinstance(argument, Call):
        kwargs = tuple((name, _shifted(value)) for name, value in argument.kwargs)
        return Call(argument.target, tuple(map(_shifted, argument.args)), kwargs)
    return argument
