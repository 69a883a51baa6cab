"""A graph being rewritten, and what a rewrite gives: the new graph, its weights, what was done to which node.

Weights are kept per node, so that a pass need not know under which names a backend stores them. Passes compute
with tensors through their methods only; nothing here imports torch.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from archc.ir.graph import Graph, Node, Output
from archc.ops.base import Op, Shape

if TYPE_CHECKING:
    from torch import Tensor

State = dict[int, dict[str, "Tensor"]]
"""The tensors of every node that has any, by node id and name in its torch module."""

Step = Callable[[State], None]
"""Changes a state in place, as an edit of the graph demands."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a pass did to the node that was, or is, at `path`."""

    rule: str
    path: str
    text: str


@dataclass(frozen=True)
class Rewrite:
    """The result of a pass: a new graph, and how its weights come from those of the old one."""

    graph: Graph
    notes: tuple[Note, ...] = ()
    _steps: tuple[Step, ...] = ()
    _kept: tuple[tuple[int, int], ...] = ()  # (old id, new id)

    def then(self, following: Callable[[Graph], Rewrite]) -> Rewrite:
        """This rewrite followed by a pass over its result, as one."""
        after = following(self.graph)

        def renumber(state: State) -> None:
            kept = {new: state[old] for old, new in self._kept if old in state}
            state.clear()
            state.update(kept)

        return Rewrite(
            after.graph, self.notes + after.notes, (*self._steps, renumber, *after._steps), after._kept
        )

    def weights(self, state: State) -> State:
        """The state of the new graph from one of the old graph, which stays as it is."""
        now = {node: dict(tensors) for node, tensors in state.items()}
        for step in self._steps:
            step(now)
        return {new: now[old] for old, new in self._kept if old in now}


@dataclass(slots=True)
class Draft:
    """A graph with its users known, open to edits. Ids stay what they were until `finish`."""

    graph: Graph
    rule: str
    nodes: dict[int, Node] = field(init=False)
    users: dict[int, list[int]] = field(init=False)
    outputs: tuple[Output, ...] = field(init=False)
    rank: dict[int, tuple[int, int]] = field(init=False)
    steps: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    names: set[tuple[int, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = {n.id: n for n in self.graph.nodes}
        self.outputs = self.graph.outputs
        self.rank = {n.id: (n.id, 0) for n in self.graph.nodes}
        self.users = {n.id: [] for n in self.graph.nodes}
        self.names = {(n.scope, n.name) for n in self.graph.nodes}
        self.names |= {(s.parent, s.name) for s in self.graph.scopes}
        for node in self.graph.nodes:
            for source in node.inputs:
                self.users[source].append(node.id)

    # ------------------------------------------------------------ looking

    def shapes(self, node: Node) -> tuple[Shape, ...]:
        """Shapes of the inputs of a node."""
        return tuple([self.nodes[i].shape for i in node.inputs])

    def is_output(self, at: int) -> bool:
        return any(output.node == at for output in self.outputs)

    def only_user(self, at: int) -> Node | None:
        """The one node that reads a value, once; None where there are others or it is an output."""
        users = self.users[at]
        return self.nodes[users[0]] if len(users) == 1 and not self.is_output(at) else None

    def together(self, one: Node, other: Node) -> bool:
        """Whether two nodes lie in one section, so that moving work between them changes no feature map."""
        return self.graph.section_of(one) == self.graph.section_of(other)

    def path(self, at: int) -> str:
        return self.graph.path(self.nodes[at])

    # ------------------------------------------------------------ editing

    def change(self, at: int, op: Op | None = None, inputs: Iterable[int] | None = None) -> None:
        """Give a node another op or other inputs; its shape must stay."""
        node = self.nodes[at]
        if inputs is not None:
            for source in node.inputs:
                self.users[source].remove(at)
            node = replace(node, inputs=tuple(inputs))
            for source in node.inputs:
                self.users[source].append(at)
        self.nodes[at] = replace(node, op=op or node.op)

    def insert(
        self, op: Op, inputs: tuple[int, ...], like: int, *, name: str = "", scope: int | None = None
    ) -> int:
        """A new node from the same place in the spec as `like`, in its scope or another."""
        model = self.nodes[like]
        scope = model.scope if scope is None else scope
        at = max(self.nodes) + 1
        shapes = tuple([self.nodes[i].shape for i in inputs])
        shape = op.shape(*shapes)
        name = self._free(scope, name or f"{op.name}1")
        cost = op.cost(shapes, shape)
        self.nodes[at] = Node(at, op, inputs, shape, cost, name, scope, model.span, model.train_only)
        self.rank[at] = (max(self.rank[i] for i in inputs)[0], at)
        self.users[at] = []
        for source in inputs:
            self.users[source].append(at)
        return at

    def append(self, op: Op, at: int, *, name: str = "") -> int:
        """A new node that all that read `at` now read instead."""
        readers, outputs = dict.fromkeys(self.users[at]), self.outputs
        new = self.insert(op, (at,), at, name=name)
        for user in readers:
            self.change(user, inputs=[new if i == at else i for i in self.nodes[user].inputs])
        self.outputs = tuple(replace(o, node=new) if o.node == at else o for o in outputs)
        return new

    def move(self, at: int, like: int) -> None:
        """Put a node without state into the scope of another."""
        node, scope = self.nodes[at], self.nodes[like].scope
        if node.scope != scope:
            self.nodes[at] = replace(node, scope=scope, name=self._free(scope, node.name))

    def redirect(self, old: int, new: int) -> None:
        """Let all that reads one value read another, outputs included."""
        for user in dict.fromkeys(self.users[old]):
            self.change(user, inputs=[new if i == old else i for i in self.nodes[user].inputs])
        self.outputs = tuple(replace(o, node=new) if o.node == old else o for o in self.outputs)

    def bypass(self, at: int) -> None:
        """Let all that reads a node read its first input instead."""
        self.redirect(at, self.nodes[at].inputs[0])
        self.change(at, inputs=())

    def note(self, at: int, text: str) -> None:
        self.notes.append(Note(self.rule, self.path(at), text))

    # ------------------------------------------------------------ finishing

    def finish(self) -> Rewrite:
        """The rewritten graph: what reaches an output and the inputs, in an order that follows the old one."""
        live = {o.node for o in self.outputs}
        in_eval = {o.node for o in self.outputs if not o.train_only}
        order = self._order()
        for at in reversed(order):
            if at in live:
                live.update(self.nodes[at].inputs)
            if at in in_eval:
                in_eval.update(self.nodes[at].inputs)
        kept = [at for at in order if at in live or self.nodes[at].op.kind == "input"]
        ids = {at: new for new, at in enumerate(kept)}
        nodes = []
        for at in kept:
            node = self.nodes[at]
            shapes = self.shapes(node)
            train_only = at not in in_eval and node.op.kind != "input"
            nodes.append(
                Node(
                    ids[at], node.op, tuple([ids[i] for i in node.inputs]), node.shape,
                    node.op.cost(shapes, node.shape), node.name, node.scope, node.span, train_only,
                )
            )  # fmt: skip
        outputs = tuple(replace(o, node=ids[o.node]) for o in self.outputs)
        graph = replace(self.graph, nodes=tuple(nodes), outputs=outputs)
        return Rewrite(graph, tuple(self.notes), tuple(self.steps), tuple(ids.items()))

    def _order(self) -> list[int]:
        """Inputs before users, otherwise by rank."""
        missing = {at: len(set(node.inputs)) for at, node in self.nodes.items()}
        ready = [(self.rank[at], at) for at, count in missing.items() if not count]
        heapq.heapify(ready)
        order = []
        while ready:
            _, at = heapq.heappop(ready)
            order.append(at)
            for user in set(self.users[at]):
                missing[user] -= 1
                if not missing[user]:
                    heapq.heappush(ready, (self.rank[user], user))
        return order

    def _free(self, scope: int, name: str) -> str:
        """The name, with the first number that makes it new in the scope."""
        base = name.rstrip("0123456789") or name
        number, found = 1, name
        while (scope, found) in self.names:
            number += 1
            found = f"{base}{number}"
        self.names.add((scope, found))
        return found
