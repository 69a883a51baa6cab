"""Convolutions and linear layers over channels, with the sums and activations after them, as one call each, for the
CPU runtime; batch normalisation that could not be folded, as one call too; shuffles that keep channels_last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from archc.backends.torch_plan import Item, ScopePlan, walk
from archc.ir import Graph, Node
from archc.ops.activation import Gelu
from archc.ops.conv import Conv
from archc.ops.linear import ChannelLinear
from archc.ops.torch_code import Call

# Activations that oneDNN can apply to what a convolution makes, by op; after a sum only ReLU.
ACTIVATIONS = {
    "relu": "relu", "relu6": "relu6", "silu": "silu", "gelu": "gelu", "sigmoid": "sigmoid", "hard_swish": "hardswish",
    "hard_sigmoid": "hardsigmoid", "tanh": "tanh",
}  # fmt: skip


def pack(graph: Graph, root: ScopePlan) -> None:
    """Rewrite the items of all scopes, in place: each layer as a `PackedConv2d` or `PackedChannelLinear` that does
    what follows it."""
    users: Counter[int] = Counter(i for node in graph.nodes for i in node.inputs)
    users.update(output.node for output in graph.outputs)
    for scope in walk(root):
        _Packing(graph, scope, users).run()


@dataclass(slots=True)
class _Packing:
    graph: Graph
    scope: ScopePlan
    users: Counter[int]

    def run(self) -> None:
        for item in list(self.scope.items):
            if item.node and isinstance(item.node.op, Conv | ChannelLinear):
                self._pack(item)
            elif item.code.module and item.code.module.target == "nn.BatchNorm2d":
                packed = replace(item.code.module, target="PackedBatchNorm2d")
                item.code = replace(item.code, module=packed)
            elif item.code.forward and item.code.forward.target == "channel_shuffle":
                item.code = replace(item.code, forward=replace(item.code.forward, target="packed_shuffle"))

    def _pack(self, item: Item) -> None:
        module = item.code.module
        assert module is not None
        act = "none"
        follower = self._follower(item)
        if follower and follower.node and follower.node.op.name == "add" and len(follower.inputs) == 2:
            (other,) = (i for i in follower.inputs if i not in item.outputs)
            item.inputs = (*item.inputs, other)
            self._swallow(item, follower)
            follower = self._follower(item)
        if follower and follower.node and self._fits(follower.node, summed=len(item.inputs) > 1):
            act = ACTIVATIONS[follower.node.op.name]
            self._swallow(item, follower)
        kwargs = dict(module.kwargs)
        if module.target == "SamePadConv2d":
            kwargs["padding"] = "same"
        if act != "none":
            kwargs["act"] = act
        target = "PackedChannelLinear" if module.target == "ChannelLinear" else "PackedConv2d"
        item.code = replace(item.code, module=Call(target, module.args, tuple(kwargs.items())))

    def _follower(self, item: Item) -> Item | None:
        """The item of this scope that alone reads what another makes."""
        (value,) = item.outputs
        if self.users[value] != 1 or value in self.scope.outputs:
            return None
        return next((i for i in self.scope.items if value in i.inputs and i.node), None)

    def _fits(self, node: Node, *, summed: bool) -> bool:
        if node.op.name not in ACTIVATIONS or node.op.arguments().get("gamma"):
            return False
        if isinstance(node.op, Gelu) and node.op.approximate != "none":
            return False
        return node.op.name == "relu" or not summed

    def _swallow(self, item: Item, follower: Item) -> None:
        """Let an item make what its follower made, in the follower's place."""
        item.outputs = follower.outputs
        items = self.scope.items
        items.remove(item)
        items[items.index(follower)] = item
