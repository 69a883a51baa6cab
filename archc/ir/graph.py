"""The graph: flat nodes in creation order, and the tree of scopes they were made in.

A node is a primitive applied to earlier nodes; ids count from 0 in creation order, so inputs always
precede their users. Scopes are the arch itself, its sections, their repetitions, and block calls; they
give nodes their hierarchical paths (`s2.0.conv1`), which are also the module paths of the torch code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from functools import cached_property
from typing import Any, Literal

from archc.diagnostics import Span
from archc.diagnostics.record import record
from archc.ops.base import FREE, Cost, Op, Shape

ScopeKind = Literal["arch", "section", "repeat", "block"]


@record
class Scope:
    """A named region. `block` names the block called, `arguments` its scalar arguments as shown.

    parent: index into `Graph.scopes`, -1 for the root. kind: a `section` holds `repeat`s ("0", "1", …)
    when it was written `N x`. A section or repeat whose op is one block *is* that block's scope.
    """

    parent: int
    name: str
    kind: ScopeKind
    block: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    span: Span | None = None


@record
class Node:
    """One primitive. `shape` and `cost` are of one example; `inputs` are node ids."""

    id: int
    op: Op
    inputs: tuple[int, ...]
    shape: Shape
    cost: Cost
    name: str
    scope: int
    span: Span | None = None
    train_only: bool = False


@record
class Output:
    """A named result. The first output of a graph is its main one; `train_only` ones vanish in eval."""

    name: str
    node: int
    train_only: bool = False


@record(slots=False)
class Graph:
    """A validated network.

    name, doc, source_name and info come from the spec; arguments are those the arch was called with.
    nodes holds every node that reaches an output, train-only ones included.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    scopes: tuple[Scope, ...]
    doc: str = ""
    source_name: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    info: tuple[tuple[str, Any], ...] = ()
    _paths: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The input nodes, in declaration order."""
        return tuple(n for n in self.nodes if n.op.kind == "input")

    @cached_property
    def cost(self) -> Cost:
        """Cost of one example in eval mode: nodes that only feed train-only outputs are left out."""
        return sum((n.cost for n in self.nodes if not n.train_only), FREE)

    @cached_property
    def train_only_cost(self) -> Cost:
        """Cost of the nodes that only feed train-only outputs."""
        return sum((n.cost for n in self.nodes if n.train_only), FREE)

    def scope_path(self, scope: int) -> str:
        """Dotted path of a scope; the root's is empty."""
        found = self._paths.get(scope)
        if found is None:
            at = self.scopes[scope]
            above = self.scope_path(at.parent) if at.parent >= 0 else ""
            found = "" if at.parent < 0 else f"{above}.{at.name}" if above else at.name
            self._paths[scope] = found
        return found

    def path(self, node: Node) -> str:
        """Dotted path of a node, unique in the graph."""
        above = self.scope_path(node.scope)
        return f"{above}.{node.name}" if above else node.name

    def origin(self, node: Node) -> tuple[Span, ...]:
        """Where the node came from, innermost first: its own call, then the calls of its scopes."""
        spans = [node.span] if node.span else []
        at = node.scope
        while at >= 0:
            scope = self.scopes[at]
            if scope.span:
                spans.append(scope.span)
            at = scope.parent
        return tuple(spans)

    def ancestors(self, scope: int) -> Iterator[int]:
        """The scope itself and those around it, innermost first, root last."""
        while scope >= 0:
            yield scope
            scope = self.scopes[scope].parent

    @cached_property
    def sections(self) -> tuple[int, ...]:
        """Scope ids of the sections, in order."""
        return tuple(i for i, s in enumerate(self.scopes) if s.kind == "section")

    def section_of(self, node: Node) -> int:
        """Scope id of the section a node is in; the root's (0) for nodes outside all sections."""
        return next((s for s in self.ancestors(node.scope) if self.scopes[s].kind == "section"), 0)
