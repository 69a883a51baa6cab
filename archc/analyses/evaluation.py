"""Evaluating expressions of a spec again, in a scope of its finished graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archc.analyses.call_sites import Definition, assignment_before, names_in
from archc.analyses.reference_state import reference_variances
from archc.elaborate.builder import Body
from archc.elaborate.definition import Definition as Target
from archc.elaborate.expressions import ExpressionCompiler
from archc.elaborate.frame import ElabFrame
from archc.elaborate.module import Module
from archc.elaborate.run import Run
from archc.elaborate.targets import target_names
from archc.elaborate.values import Failure, Fatal, Tensor, is_op, tensors_in
from archc.ir.graph import Graph
from archc.syntax import ast

MAX_DEPTH = 32


class Evaluation:
    """Values of expressions, by the scope they stand in."""

    def __init__(self, graph: Graph, target: Target, given: Mapping[str, Any] | None = None) -> None:
        self.graph = graph
        self.target = target
        self._body = Body(())  # holds the variances of the tensors that come up
        self._variances = reference_variances(target, graph, given)

    def home(self, scope: int) -> int:
        """The innermost scope around that is a block call, else the arch."""
        return next((s for s in self.graph.ancestors(scope) if self.graph.scopes[s].block and s), 0)

    def module(self, source: str) -> Module | None:
        """The module of a source among those the spec imports."""
        return next((m for m in self.target.module.family() if m.source.name == source), None)

    def definition(self, scope: int) -> Definition | None:
        """The block a scope is a call of."""
        name = self.graph.scopes[scope].block
        for module in self.target.module.family():
            found = module.declarations.get(name)
            if isinstance(found, ast.BlockDef) and self._holds(found, scope):
                return Definition.of(found)
        return None

    def _holds(self, block: ast.BlockDef, scope: int) -> bool:
        """Whether it is that block's body the nodes of a scope were written in (two files may share a name)."""
        spans = [n.span for n in self.graph.nodes if n.span and self.home(n.scope) == scope]
        return not spans or any(s.source.name == block.span.source.name for s in spans)

    def of(self, node: ast.Expr | None, scope: int, depth: int = 0) -> Any:
        """The value of an expression, None where it has none outside of elaboration or is no plain value."""
        if node is None or depth > MAX_DEPTH:
            return None
        module = self.module(node.span.source.name)
        home = Definition.of(self.target.arch) if scope == 0 else self.definition(scope)
        if module is None or home is None:
            return None
        known = self._known(scope, home)
        for mention in names_in(node):
            if mention.id in known:
                continue
            assigned = assignment_before(home, mention.id, mention.span)
            if assigned is not None and not isinstance(assigned.value, ast.Pipe):
                value = self.of(assigned.value, scope, depth + 1)
                names = target_names(assigned.target)
                if isinstance(assigned.target, ast.TupleTarget):
                    value = value[names.index(mention.id)] if isinstance(value, tuple) else None
                if value is not None:
                    known[mention.id] = value
        run = Run(module.library.caches, None, module.source.name)
        try:
            closure = ExpressionCompiler(module, frozenset(known)).compile(node)
            value = closure(ElabFrame(run, known, module.library.caches.ambient, self._body))
        except (Failure, Fatal):
            return None
        return None if is_op(value) or tensors_in(value) or callable(value) else value

    def _known(self, scope: int, home: Definition) -> dict[str, Any]:
        arguments = self.graph.arguments if scope == 0 else self.graph.scopes[scope].arguments
        ops = {p.name for p in home.params if p.type is not None and p.type.name == "op"}
        known: dict[str, Any] = {
            n: list(v) if isinstance(v, tuple) and _wants_list(home, n) else v
            for n, v in arguments
            if n not in ops
        }
        if scope and len(home.tensors) == 1:
            known[home.tensors[0]] = self.input(scope)
        return {name: value for name, value in known.items() if value is not None}

    def input(self, scope: int) -> Tensor | None:
        """The one tensor a scope reads from outside."""
        inside = {n.id for n in self.graph.nodes if scope in self.graph.ancestors(n.scope)}
        outside = {i for n in inside for i in self.graph.nodes[n].inputs if i not in inside}
        if len(outside) != 1:
            return None
        source = self.graph.nodes[outside.pop()]
        self._body.known[source.id] = self._variances[source.id]
        return Tensor(self._body, source.id, source.shape)


def _wants_list(home: Definition, name: str) -> bool:
    return any(p.name == name and p.type is not None and p.type.name == "list" for p in home.params)
