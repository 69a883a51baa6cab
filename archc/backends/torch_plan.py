"""The module tree of a graph: which scopes become modules, what they do in order, what flows in and out.

Scopes without state dissolve into the scope around them. Everything here is data; nothing is printed yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from archc.backends.torch_names import attribute, fresh
from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ir import Graph, Node, Scope
from archc.ops.choice import OPTION
from archc.ops.torch_code import Argument, Call, TorchCode

INFIX = {"operator.add": "+", "operator.mul": "*"}
"""How the targets that print between their operands do."""


@dataclass(slots=True)
class Item:
    """One step of a module's forward: a node, or the call of a submodule made from a scope.

    name: the attribute, and the path of the node below the module (dotted where scopes dissolved).
    inputs, outputs: node ids of the tensors read and made. train_only: skipped in eval mode.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    train_only: bool
    node: Node | None = None
    code: TorchCode = field(default_factory=TorchCode)
    child: ScopePlan | None = None

    @property
    def has_state(self) -> bool:
        return self.child is not None or self.code.module is not None


@dataclass(slots=True, eq=False)
class ScopePlan:
    """A scope that becomes a module.

    inputs: values made outside and read inside, in order of first use; outputs: values made inside and
    read outside. chain: every item is a repeat fed by the one before, as `nn.Sequential` runs them.
    """

    id: int
    scope: Scope
    items: list[Item]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    path: str = ""
    chain: bool = False


@dataclass(slots=True)
class Flow:
    """Which values cross the borders of which scopes."""

    leaving: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    entering: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


def plan(graph: Graph) -> ScopePlan:
    """The root of the module tree. Raises ArchError (E0713) where a scope could not run in one go."""
    flow = _flow(graph)
    nodes: dict[int, list[Node]] = defaultdict(list)
    scopes: dict[int, list[int]] = defaultdict(list)
    for node in graph.nodes:
        if node.op.kind != "input":
            nodes[node.scope].append(node)
    for index, scope in enumerate(graph.scopes):
        if scope.parent >= 0:
            scopes[scope.parent].append(index)
    root = _scope(graph, 0, nodes, scopes, flow)
    root.inputs = tuple(n.id for n in graph.inputs)
    root.outputs = tuple(o.node for o in graph.outputs)
    _set_paths(root, "")
    return root


def walk(scope: ScopePlan) -> Iterator[ScopePlan]:
    """The scope and all below it, parents first."""
    yield scope
    for item in scope.items:
        if item.child:
            yield from walk(item.child)


def module_paths(root: ScopePlan) -> dict[int, str]:
    """Path of the submodule of every node that has one, by node id: the prefix of its state-dict keys."""
    return {
        item.node.id: f"{scope.path}.{item.name}" if scope.path else item.name
        for scope in walk(root)
        for item in scope.items
        if item.node and item.has_state
    }


def training_last(items: list[Item]) -> list[tuple[bool, list[Item]]]:
    """The items in runs, each with whether it is of training only. Those are last, but for what others read: a scope
    that does both is given what only its part for training needs. One run where all are of training only."""
    if all(item.train_only for item in items):
        return [(False, items)]
    read = {value for item in items if not item.train_only for value in item.inputs}
    late = []
    for item in reversed(items):
        if item.train_only and read.isdisjoint(item.outputs):
            late.append(item)
        else:
            read.update(item.inputs)
    left = {id(item) for item in late}
    early = [item for item in items if id(item) not in left]
    runs = [(training, list(run)) for training, run in groupby(early, key=lambda item: item.train_only)]
    return [*runs, (True, late[::-1])] if late else runs


def _set_paths(scope: ScopePlan, path: str) -> None:
    scope.path = path
    for item in scope.items:
        if item.child:
            _set_paths(item.child, f"{path}.{item.name}" if path else item.name)


def _flow(graph: Graph) -> Flow:
    flow = Flow()
    lineage = [tuple(graph.ancestors(index)) for index in range(len(graph.scopes))]
    for user in graph.nodes:
        for value in user.inputs:
            made, used = lineage[graph.nodes[value].scope], lineage[user.scope]
            if made == used:
                continue
            outside, inside = set(used), set(made)
            for scope in made:
                if scope not in outside:
                    flow.leaving[scope].add(value)
            for scope in used:
                # the input nodes belong to the root, but are made outside it
                if scope not in inside:
                    flow.entering[scope].add(value)
    for output in graph.outputs:
        for scope in lineage[graph.nodes[output.node].scope]:
            flow.leaving[scope].add(output.node)
    return flow


def _scope(
    graph: Graph, index: int, nodes: dict[int, list[Node]], scopes: dict[int, list[int]], flow: Flow
) -> ScopePlan:
    items = [_node_item(graph, node) for node in nodes[index]]
    for child_index in scopes[index]:
        child = _scope(graph, child_index, nodes, scopes, flow)
        name = graph.scopes[child_index].name
        if not child.items:
            continue
        if graph.scopes[child_index].block != OPTION and not any(item.has_state for item in child.items):
            for item in child.items:
                item.name = f"{name}.{item.name}"
            items += child.items
            continue
        only_train = all(item.train_only for item in child.items)
        items.append(Item(name, child.inputs, child.outputs, only_train, child=child))
    items = _in_order(graph, index, items)
    _name_attributes(items)
    entering = flow.entering[index]
    inputs = dict.fromkeys(v for item in items for v in item.inputs if v in entering)
    found = ScopePlan(index, graph.scopes[index], items, tuple(inputs), tuple(sorted(flow.leaving[index])))
    found.chain = _is_chain(found)
    return found


def _node_item(graph: Graph, node: Node) -> Item:
    code = node.op.torch(tuple(graph.nodes[i].shape for i in node.inputs), node.shape)
    if code.forward:
        code = replace(code, forward=_flattened(code.forward))
    return Item(node.name, node.inputs, (node.id,), node.train_only, node=node, code=code)


def _flattened(call: Call) -> Call:
    """((a + b) + c) + d as one call of four operands: sums of thousands must not nest as deep."""
    operands: list[Argument] = []
    at: Argument = call
    while isinstance(at, Call) and at.target == call.target and call.target in INFIX and not at.kwargs:
        operands += reversed(at.args[1:])
        at = at.args[0]
    return Call(call.target, (at, *reversed(operands))) if operands else call


def _in_order(graph: Graph, index: int, items: list[Item]) -> list[Item]:
    """Items in creation order, moved back only as far as what they read demands."""
    waiting = sorted(items, key=lambda item: min(item.outputs, default=0))
    made_here = {value for item in items for value in item.outputs}
    done: set[int] = set()
    ordered: list[Item] = []
    while len(ordered) < len(waiting):
        item = waiting[len(ordered)]
        if any(v in made_here and v not in done for v in item.inputs):
            break
        ordered.append(item)
        done.update(item.outputs)
    waiting = waiting[len(ordered) :]
    while waiting:
        ready = next((i for i in waiting if all(v in done or v not in made_here for v in i.inputs)), None)
        if ready is None:
            raise _entangled(graph, index, waiting)
        waiting.remove(ready)
        ordered.append(ready)
        done.update(ready.outputs)
    return ordered


def _entangled(graph: Graph, index: int, waiting: list[Item]) -> ArchError:
    scope, path = graph.scopes[index], graph.scope_path(index)
    parts = ", ".join(item.name for item in waiting[:4]) + (", …" if len(waiting) > 4 else "")
    message = f"{f'in {path}' if path else graph.name}: {parts} need each other's results"
    help = ("a scope becomes a module, which runs once: move what another needs first out of it",)
    return ArchError([Diagnostic("E0713", message, scope.span or NOWHERE, help=help)])


def _name_attributes(items: list[Item]) -> None:
    taken: set[str] = set()
    for item in items:
        if item.has_state:
            item.name = fresh(attribute(item.name), taken)
            taken.add(item.name)


def _is_chain(scope: ScopePlan) -> bool:
    if not scope.items or len(scope.inputs) != 1 or len(scope.outputs) != 1:
        return False
    at = scope.inputs
    for index, item in enumerate(scope.items):
        if item.name != str(index) or not item.child or item.inputs != at or len(item.outputs) != 1:
            return False
        at = item.outputs
    return at == scope.outputs and not any(item.train_only for item in scope.items)
