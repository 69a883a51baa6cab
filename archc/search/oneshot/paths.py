"""One path of a supernet: the network of a point, run with the supernet's weights and nothing but its own ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from archc.backends.torch_plan import ScopePlan, module_paths, plan, walk
from archc.spaces.point_text import Point
from archc.spaces.supernet import Supernet


@dataclass(slots=True, eq=False)
class Gate:
    """What runs in the place of a module's forward: nothing, where no output of the network needs it.

    shapes: of its results. after: applied to its one result.
    """

    module: nn.Module
    forward: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    nodes: frozenset[int]
    live: bool = True
    after: Any = None

    def __call__(self, *xs: Tensor) -> Any:
        if not self.live:
            zero = xs[0].new_zeros(())
            found = tuple(zero.expand(len(xs[0]), *shape) for shape in self.shapes)
            return found[0] if len(found) == 1 else found
        result = self.forward(*xs)
        return result if self.after is None else self.after(result)


class Paths:
    """Which ops of a supernet run: all of them, or those of a point."""

    def __init__(self, found: Supernet, network: nn.Module) -> None:
        self.supernet = found
        self.point: Point | None = None
        root = plan(found.graph)
        self.gates: dict[int, Gate] = {}
        places = module_paths(root)
        for scope in walk(root):
            if scope is not root:
                module = network.get_submodule(scope.path)
                shapes = tuple(found.graph.nodes[i].shape for i in scope.outputs)
                gate = Gate(module, module.forward, shapes, frozenset(_nodes(scope)))
                module.forward = gate
                self.gates[scope.id] = gate
        self._mixes = [
            (path, network.get_submodule(places[n])) for path, nodes in found.mixes.items() for n in nodes
        ]
        self._edges = [
            (path, network.get_submodule(places[n]))
            for path, candidates in found.edges.items()
            for nodes in candidates.values()
            for n in nodes
        ]

    def choose(self, point: Point | None) -> None:
        """Run the network of a point from now on; of None, the whole supernet."""
        self.point = point
        for path, module in (*self._mixes, *self._edges):
            chosen: Any = None if point is None else point.get(path)  # none within an answer not taken
            module.chosen = chosen
        live = None if point is None else self._live(point)
        for gate in self.gates.values():
            gate.live = live is None or not live.isdisjoint(gate.nodes)

    def _live(self, point: Point) -> set[int]:
        """The nodes that reach an output where only what is chosen is added."""
        nodes = self.supernet.graph.nodes
        live = {output.node for output in self.supernet.graph.outputs}
        for node in reversed(nodes):
            if node.id not in live:
                continue
            op: Any = node.op
            if op.name == "mix":
                live.update(node.inputs[i] for i in point[op.choice])
            elif op.name != "weigh" or op.index in point[op.choice]:
                live.update(node.inputs)
        return live


def _nodes(scope: ScopePlan) -> list[int]:
    own = [item.node.id for item in scope.items if item.node]
    return own + [n for item in scope.items if item.child for n in _nodes(item.child)]
