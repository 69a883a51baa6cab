"""One .arch file as a namespace: its declarations, its imports, and the builtins below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archc.diagnostics import NOWHERE, Diagnostic, Source, Span, did_you_mean
from archc.elaborate.builder import Body
from archc.elaborate.builtins import BUILTINS
from archc.elaborate.expressions import ExpressionCompiler
from archc.elaborate.frame import ElabFrame
from archc.elaborate.run import Run
from archc.elaborate.signature import (
    STD,
    BlockTarget,
    SigParam,
    describe_type,
    is_tensor_param,
    primitives,
)
from archc.elaborate.statements import StatementCompiler, assigned_names, function_maker
from archc.elaborate.values import IDENTITY, MISSING, Failure, OpValue, fail
from archc.syntax import ast

if TYPE_CHECKING:
    from archc.elaborate.library import Library

Declaration = ast.BlockDef | ast.ArchDef | ast.VariantDef | ast.FnDef | ast.Assign


class Module:
    """A parsed file. `problems` are its syntax errors and its own static mistakes."""

    def __init__(
        self, library: Library, source: Source, tree: ast.File, problems: list[Diagnostic], depth: int
    ) -> None:
        self.library = library
        self.source = source
        self.tree = tree
        self.problems = problems
        self.depth = depth
        self.declarations: dict[str, Declaration] = {}
        self.imports: dict[str, tuple[ast.Import, str]] = {}
        self.compiled: dict[str, Any] = {}  # archs, by name
        self._values: dict[str, Any] = {}
        self._resolving: set[str] = set()
        self._ambients: frozenset[str] | None = None
        for statement in tree.statements:
            self._declare(statement)

    # ------------------------------------------------------------ declarations

    def _declare(self, statement: ast.Stmt) -> None:
        if isinstance(statement, ast.Import):
            if statement.names:
                for item in statement.names:
                    self._claim(item.alias or item.name, item.span)
                    self.imports[item.alias or item.name] = (statement, item.name)
            else:
                self._claim(statement.module[-1], statement.span)
                self.imports[statement.module[-1]] = (statement, "")
        elif isinstance(statement, ast.Assign):
            if not isinstance(statement.target, ast.NameTarget) or statement.augmented:
                self._problem("E0204", "a top-level constant is written `name = value`", statement.span)
                return
            self._claim(statement.target.id, statement.target.span)
            self.declarations[statement.target.id] = statement
        elif isinstance(statement, ast.BlockDef | ast.ArchDef | ast.VariantDef | ast.FnDef):
            span = statement.span if isinstance(statement, ast.FnDef) else statement.name_span
            self._claim(statement.name, span)
            self.declarations[statement.name] = statement
        else:
            self._problem(
                "E0204", "only imports, constants, fn, block, arch and variant stand at the top level",
                statement.span, ("move it into an `arch { … }`",),
            )  # fmt: skip

    def _claim(self, name: str, span: Span) -> None:
        if name in self.declarations or name in self.imports:
            self._problem("E0205", f"`{name}` is declared twice in this file", span, ("rename one of them",))

    def _problem(self, code: str, message: str, span: Span, help: tuple[str, ...] = ()) -> None:
        self.problems.append(Diagnostic(code, message, span, "", help))

    # ------------------------------------------------------------ names

    def visible(self) -> list[str]:
        """Every name an expression may use, for suggestions."""
        return [
            *self.declarations, *self.imports, *BUILTINS, *self.library.specials, *primitives(), "identity", "with_std",
        ]  # fmt: skip

    def resolve(self, name: str) -> Any:
        """The value of a module-level or builtin name; MISSING if there is none."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = self._resolve(name)
        return found

    def _resolve(self, name: str) -> Any:
        if name in self.declarations:
            return self._declared(self.declarations[name], name)
        if name in self.imports:
            statement, member = self.imports[name]
            module = self.library.import_module(self, statement)
            return module.member_of(member, statement.span) if member else Namespace(module, name)
        return builtin(name, self.library)

    def member_of(self, name: str, span: Span) -> Any:
        """A declaration of this module, for importers; raises Failure when there is none."""
        if name not in self.declarations:
            raise fail(
                "E0213", f"{self.source.name} declares no `{name}`", span, "not found there",
                did_you_mean(name, self.declarations),
            )  # fmt: skip
        return self.resolve(name)

    def _declared(self, declaration: Declaration, name: str) -> Any:
        if isinstance(declaration, ast.BlockDef):
            return OpValue(self.block(declaration), {}, {}, None, declaration.name_span)
        if isinstance(declaration, ast.FnDef):
            return function_maker(self, declaration, frozenset())({})
        if isinstance(declaration, ast.Assign):
            return self._constant(declaration, name)
        raise fail(
            "E0214", f"`{name}` is an arch: it is built by its name, not used as an op", declaration.name_span,
            help=("a `variant` may be based on it",),
        )  # fmt: skip

    def _constant(self, declaration: ast.Assign, name: str) -> Any:
        if name in self._resolving:
            raise fail("E0215", f"`{name}` is defined by itself", declaration.span)
        self._resolving.add(name)
        try:
            value = ExpressionCompiler(self, frozenset()).compile(declaration.value)
            run = Run(self.library.caches, None, self.source.name)
            return value(ElabFrame(run, {}, self.library.caches.ambient, Body(())))
        finally:
            self._resolving.discard(name)

    def ambient_names(self) -> frozenset[str]:
        """Ambient parameters that some visible op or block declares."""
        if self._ambients is None:
            found = {a for t in primitives().values() for a in t.ambients}
            found |= self._declared_ambients(set())
            self._ambients = frozenset(found)
        return self._ambients

    def _declared_ambients(self, seen: set[int]) -> set[str]:
        """Those of this module's blocks and, transitively, of the modules it imports."""
        if id(self) in seen:
            return set()
        seen.add(id(self))
        found = {
            p.name
            for d in self.declarations.values()
            if isinstance(d, ast.BlockDef)
            for p in d.params
            if p.ambient
        }
        for statement, _ in self.imports.values():
            try:
                found |= self.library.import_module(self, statement)._declared_ambients(seen)
            except Failure:
                continue
        return found

    # ------------------------------------------------------------ blocks

    def block(self, definition: ast.BlockDef) -> BlockTarget:
        """A block as something callable; its body is compiled when first run."""
        tensors, params, defaults = [], [], {}
        names = frozenset(p.name for p in definition.params)
        expressions = ExpressionCompiler(self, names)
        for param in definition.params:
            tensor = is_tensor_param(param)
            if tensor is not None:
                tensors.append(tensor)
                continue
            assert param.type is not None  # is_tensor_param covers its absence
            params.append(
                SigParam(
                    param.name, param.type, param.ambient, param.default is None, describe_type(param.type)
                )
            )
            if param.default is not None:
                defaults[param.name] = expressions.compile(param.default)
        compiled: list[Callable[[ElabFrame], Any]] = []

        def run(f: ElabFrame) -> Any:
            if not compiled:
                locals_ = names | frozenset(assigned_names(definition.body))
                compiled.append(StatementCompiler(self, locals_).body(definition.body))
            outcome = compiled[0](f)
            return None if outcome is None else outcome[0]

        return BlockTarget(definition.name, tuple(tensors), tuple(params), definition, defaults, run)

    def static_problems(self) -> list[Diagnostic]:
        """Mistakes that show without running anything: see `archc.elaborate.names`."""
        from archc.elaborate.names import static_problems

        return static_problems(self)


class Namespace:
    """What `import std.nfnet` binds: `nfnet.nf_block`."""

    def __init__(self, module: Module, name: str) -> None:
        self.module = module
        self.name = name

    @property
    def key(self) -> Any:
        return ("module", id(self.module))

    def member(self, name: str, span: Span) -> Any:
        return self.module.member_of(name, span)


def builtin(name: str, library: Library) -> Any:
    """A name every file sees."""
    if name in library.specials:
        return library.specials[name]
    if name in BUILTINS:
        return BUILTINS[name]
    if name == "identity":
        return IDENTITY
    if name == "with_std":
        return OpValue(STD, {}, {}, None, NOWHERE)
    target = primitives().get(name)
    return MISSING if target is None else OpValue(target, {}, {}, None, NOWHERE)
