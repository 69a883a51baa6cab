"""Statements without their bodies as documents."""

from __future__ import annotations

from archc.syntax import ast
from archc.syntax.doc import SOFT, SPACE, Doc, Fill, IfBroken, group, indent, join
from archc.syntax.express import SUM, Express, quoted, target_text


class Declare:
    """Makes documents of statements; of one with a body, of what stands before its brace."""

    def __init__(self, express: Express) -> None:
        self._express = express

    def statement(self, stmt: ast.Stmt, brace: int) -> Doc:
        """brace: where the body's `{` is, if the statement has a body."""
        value = self._express.value
        if isinstance(stmt, ast.Assign):
            return (target_text(stmt.target), " += " if stmt.augmented else " = ", value(stmt.value))
        if isinstance(stmt, ast.SetStmt):
            return ("set ", self._bindings(stmt.bindings))
        if isinstance(stmt, ast.Info):
            return ("info ", self._bindings(stmt.bindings))
        if isinstance(stmt, ast.Input):
            dims = join(" x ", [self._express.expr(dim, SUM) for dim in stmt.dims])
            return ("input ", f"{stmt.name}: " if stmt.name else "", dims)
        if isinstance(stmt, ast.Section):
            return self._section(stmt)
        if isinstance(stmt, ast.Return):
            return ("return ", value(stmt.value))
        if isinstance(stmt, ast.Output):
            return (f"output {'train_only ' if stmt.train_only else ''}{stmt.name} = ", value(stmt.value))
        if isinstance(stmt, ast.Require):
            return ("require ", value(stmt.condition))
        if isinstance(stmt, ast.ExprStmt):
            return value(stmt.value)
        if isinstance(stmt, ast.For):
            return (f"for {target_text(stmt.target)} in ", value(stmt.iterable))
        if isinstance(stmt, ast.If):
            return ("if ", value(stmt.condition))
        if isinstance(stmt, ast.Expect):
            return self._expect(stmt)
        return self._declaration(stmt, brace)

    def _declaration(self, stmt: ast.Stmt, brace: int) -> Doc:
        if isinstance(stmt, ast.FnDef):
            start, end = stmt.span.start, stmt.value.span.start
            return (
                f"fn {stmt.name}",
                self._params(stmt.params, start, end),
                " = ",
                self._express.value(stmt.value),
            )
        if isinstance(stmt, ast.BlockDef | ast.ArchDef):
            word = "block" if isinstance(stmt, ast.BlockDef) else "arch"
            return (f"{word} {stmt.name}", self._params(stmt.params, stmt.name_span.end, brace))
        if isinstance(stmt, ast.VariantDef):
            return (f"variant {stmt.name} = ", self._express.expr(stmt.base))
        assert isinstance(stmt, ast.Import)
        module = ".".join(stmt.module)
        if not stmt.names:
            return f"import {module}"
        names = [f"{n.name} as {n.alias}" if n.alias else n.name for n in stmt.names]
        parts = [name + "," for name in names[:-1]] + names[-1:]
        listed = indent(SOFT, Fill(join(SPACE, parts)))
        return group(f"from {module} import ", IfBroken("("), listed, SOFT, IfBroken(")"))

    def _bindings(self, bindings: tuple[ast.Arg, ...]) -> Doc:
        return join(", ", [(f"{arg.name} = ", self._express.value(arg.value)) for arg in bindings])

    def _section(self, stmt: ast.Section) -> Doc:
        if stmt.op is None:
            return f"{stmt.kind:5} {stmt.name}" if stmt.name else stmt.kind
        name = f"{stmt.name}: " if stmt.name else ""
        repeat: Doc = "" if stmt.repeat is None else (self._express.expr(stmt.repeat, SUM), " x ")
        return (f"{stmt.kind:5} {name}", repeat, self._express.value(stmt.op))

    def _expect(self, stmt: ast.Expect) -> Doc:
        overrides: Doc = ""
        if stmt.overrides:
            start, end = stmt.span.start, stmt.claims[0].span.start
            overrides = (
                self._express.bracketed("(", stmt.overrides, ")", start, end, self._express.argument),
                " ",
            )
        claims = ", ".join(f"{c.metric} {'~' if c.truncated else '='} {c.value.text}" for c in stmt.claims)
        source = "" if stmt.source is None else f" from {quoted(stmt.source)}"
        return ("expect ", overrides, claims, source)

    # ------------------------------------------------------------ parameters

    def _params(self, params: tuple[ast.Param, ...], start: int, end: int) -> Doc:
        return self._express.bracketed("(", params, ")", start, end, self._param)

    def _param(self, param: ast.Param) -> Doc:
        parts: list[Doc] = [f"{'ambient ' if param.ambient else ''}{param.name}"]
        if param.type is not None:
            parts.append(f": {_type(param.type)}")
        if param.domain is not None:
            parts += [" in ", self._domain(param.domain)]
        if param.default is not None:
            parts += [" = ", self._express.expr_within(param.default)]
        return tuple(parts)

    def _domain(self, domain: ast.Domain) -> Doc:
        express = self._express
        if isinstance(domain, ast.CallDomain):
            return express.expr_within(domain.call)
        if isinstance(domain, ast.SetDomain):
            start, end = domain.span.start, domain.span.end
            return express.bracketed("{", domain.items, "}", start, end, express.expr_within)
        step: Doc = "" if domain.step is None else (" step ", express.expr(domain.step, SUM, within=True))
        return (express.expr_within(domain.range), step, " log" if domain.log else "")


def _type(type_: ast.TypeExpr) -> str:
    return f"{type_.name}[{', '.join(_type(arg) for arg in type_.args)}]" if type_.args else type_.name
