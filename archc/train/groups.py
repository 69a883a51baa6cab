"""Which parameter is what, by the roles the IR gives: no recipe names a layer."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from archc.backends.torch_plan import module_paths, plan
from archc.ir import Graph
from archc.ops.base import Role

DECAYED: frozenset[Role] = frozenset({"conv", "linear"})


@dataclass(frozen=True, slots=True)
class Groups:
    """Parameters by name: their roles, and the weights of the linear layers nearest the outputs (the heads)."""

    roles: dict[str, Role]
    heads: frozenset[str]

    def decayed(self, name: str) -> bool:
        """Whether weight decay applies: to weights of convolutions and linear layers only."""
        return self.roles[name] in DECAYED


def groups(graph: Graph, module: nn.Module) -> Groups:
    """Roles and heads of all parameters of the module made from the graph.

    Raises ValueError where the module has a parameter no op names, or lacks one.
    """
    paths = module_paths(plan(graph))
    roles: dict[str, Role] = {}
    for at in graph.nodes:
        for name, role in at.op.roles().items():
            roles[f"{paths[at.id]}.{name}"] = role
    names = {name for name, _ in module.named_parameters()}
    if names != set(roles):
        raise ValueError(
            f"{graph.name}: parameters without a role, or roles without one: {names ^ set(roles)}"
        )
    heads = {f"{paths[node]}.weight" for o in graph.outputs if (node := _last_linear(graph, o.node)) >= 0}
    return Groups(roles, frozenset(heads))


def _last_linear(graph: Graph, node: int) -> int:
    """The linear layer an output comes from through ops without weights, or -1."""
    while True:
        at = graph.nodes[node]
        if at.op.kind == "linear":
            return node
        if at.op.roles() or len(at.inputs) != 1:
            return -1
        node = at.inputs[0]
