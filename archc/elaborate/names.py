"""Mistakes that show without running anything: unknown names, types and keywords, recursion."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from archc.diagnostics import Diagnostic, Span
from archc.elaborate.arch_statements import METRICS
from archc.elaborate.foreign import keyword_help
from archc.elaborate.module import Module
from archc.elaborate.run import MAX_DIAGNOSTICS
from archc.elaborate.signature import TYPES, Target, unknown_argument
from archc.elaborate.statements import ARCH_ONLY, assigned_names, misplaced
from archc.elaborate.targets import target_names
from archc.elaborate.values import MISSING, Failure, OpValue
from archc.syntax import ast
from archc.syntax.walk import parts


def static_problems(module: Module) -> list[Diagnostic]:
    """The static mistakes of every declaration of a module, run or not."""
    checker = _Checker(module)
    for declaration in module.tree.statements:
        if len(checker.found) >= MAX_DIAGNOSTICS:
            break
        checker.declaration(declaration)
    return [_with_other_uses(d, checker.undefined.get(d.span.text, [])) for d in checker.found]


def _with_other_uses(diagnostic: Diagnostic, uses: list[Span]) -> Diagnostic:
    """An undefined name is reported once, with the other lines that use it."""
    if diagnostic.code != "E0201" or len(uses) < 2:
        return diagnostic
    lines = sorted(
        {s.source.position(s.start)[0] for s in uses} - {uses[0].source.position(uses[0].start)[0]}
    )
    if not lines:
        return diagnostic
    more = ", …" if len(lines) > 8 else ""
    listed = ", ".join(map(str, lines[:8])) + more
    return replace(diagnostic, notes=(f"also in line{'s' * (len(lines) > 1)} {listed}",))


class _Checker:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.found: list[Diagnostic] = []
        self.circle = False
        self.undefined: dict[str, list[Span]] = {}  # the uses of each

    def declaration(self, node: ast.Stmt) -> None:
        if isinstance(node, ast.BlockDef | ast.ArchDef):
            self._parameters(node.params)
            names = frozenset(p.name for p in node.params) | frozenset(assigned_names(node.body))
            for param in node.params:
                self.visit(param.default, names)
            self.visit(node.body, names)
            if isinstance(node, ast.BlockDef):
                self._recursion(node)
                self._misplaced(node.body)
        elif isinstance(node, ast.FnDef):
            self._parameters(node.params)
            self.visit(node.value, frozenset(p.name for p in node.params))
            self._recursion(node)
        elif isinstance(node, ast.Assign):
            self.visit(node.value, frozenset())
        elif isinstance(node, ast.Import):
            self._imported(node)
        elif isinstance(node, ast.VariantDef):
            self.visit(node.base.args, frozenset())
            self.visit(node.body, frozenset())

    def _imported(self, node: ast.Import) -> None:
        """Imported names that are not there, used or not; what was meant is not reported as undefined too."""
        for item in node.names:
            try:
                self.module.resolve(item.alias or item.name, item.span)
            except Failure as failure:
                diagnostic = failure.diagnostic
                if diagnostic is not None and diagnostic.code == "E0213":
                    self.found.append(diagnostic)
                    self.module.lost.update(re.findall(r"`(\w+)`", " ".join(diagnostic.help)))

    def _parameters(self, params: tuple[ast.Param, ...]) -> None:
        for param in params:
            self._type(param.type)
            if param.ambient and (param.type is None or param.type.name == "tensor"):
                self._add(
                    "E0210", f"`{param.name}` cannot be ambient: it is a tensor", param.span,
                    (f"give it a type: `ambient {param.name}: op = …`",), "a parameter without a type is a tensor",
                )  # fmt: skip

    def _type(self, node: ast.TypeExpr | None) -> None:
        if node is None:
            return
        if node.name not in TYPES:
            self._add(
                "E0209", f"there is no type `{node.name}`", node.span,
                keyword_help(node.name, TYPES) or (f"the types are: {', '.join(TYPES)}",), "not a type",
            )  # fmt: skip
        for arg in node.args:
            self._type(arg)

    def _recursion(self, node: ast.BlockDef | ast.FnDef) -> None:
        found = self.module.recursion(node)
        if found is not None and not self.circle:
            self.found.append(found)
            self.circle = True  # the others on it would say the same

    def _misplaced(self, body: ast.Body) -> None:
        """What only an arch may hold, in a block that may never be run."""
        for statement in body:
            if isinstance(statement, ast.For):
                self._misplaced(statement.body)
            elif isinstance(statement, ast.If):
                self._misplaced((*statement.then, *statement.otherwise))
            elif isinstance(statement, ARCH_ONLY):
                self.found.append(misplaced(statement))

    # ------------------------------------------------------------ names

    def visit(self, node: Any, names: frozenset[str]) -> None:
        """Walk a syntax tree with the names bound around it."""
        if len(self.found) >= MAX_DIAGNOSTICS:
            return
        if isinstance(node, ast.Name):
            self._name(node, names)
        elif isinstance(node, tuple):
            for item in node:
                self.visit(item, names)
        elif isinstance(node, ast.ListComp):
            inner = names | {n for c in node.clauses for n in target_names(c.target)}
            self.visit((node.element, *node.clauses), frozenset(inner))
        elif isinstance(node, ast.FnDef):
            self.visit(node.value, names | {p.name for p in node.params})
        elif isinstance(node, ast.Require):
            self.visit(node.condition, names | set(METRICS))
        elif isinstance(node, ast.Syntax):
            if isinstance(node, ast.Call):
                self._keywords(node, names)
            for part in parts(node):
                self.visit(part, names)

    def _name(self, node: ast.Name, names: frozenset[str]) -> None:
        if node.id in names:
            return
        try:
            if self.module.resolve(node.id, node.span) is not MISSING:
                return
        except Failure as failure:
            if failure.diagnostic is not None:
                self.found.append(failure.diagnostic)
            return
        if node.id in self.undefined:
            self.undefined[node.id].append(node.span)
            return
        self.undefined[node.id] = [node.span]
        self._add(
            "E0201", f"`{node.id}` is not defined", node.span,
            self.module.name_help(node.id, names), "not found",
        )  # fmt: skip

    def _keywords(self, node: ast.Call, names: frozenset[str]) -> None:
        """Unknown keywords of ops and blocks called by their own name."""
        if not isinstance(node.function, ast.Name) or node.function.id in names:
            return
        try:
            value = self.module.resolve(node.function.id, node.function.span)
        except Failure:
            return
        if not isinstance(value, OpValue):
            return
        target: Target = value.target
        for arg in node.args:
            if arg.name and arg.name not in target.by_name and arg.name not in target.tensor_names:
                failure = unknown_argument(target, arg.name, arg.span)
                if failure.diagnostic is not None:
                    self.found.append(failure.diagnostic)

    def _add(self, code: str, message: str, span: Span, help: tuple[str, ...] = (), label: str = "") -> None:
        self.found.append(Diagnostic(code, message, span, label, help))
