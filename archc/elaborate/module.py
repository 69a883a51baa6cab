"""One .arch file as a namespace: its declarations, its imports, and the builtins below them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from archc.diagnostics import NOWHERE, Diagnostic, Source, Span, did_you_mean, nearest
from archc.elaborate.builder import Body
from archc.elaborate.builtins import BUILTINS
from archc.elaborate.expressions import ExpressionCompiler
from archc.elaborate.foreign import name_help
from archc.elaborate.frame import ElabFrame, effort
from archc.elaborate.run import FUEL, Run
from archc.elaborate.signature import (
    STD,
    BlockTarget,
    SigParam,
    describe_type,
    is_tensor_param,
    primitive,
    primitive_ambients,
    primitive_names,
)
from archc.elaborate.statements import StatementCompiler, assigned_names, function_maker, name_nodes
from archc.elaborate.targets import names_lost, target_names
from archc.elaborate.values import IDENTITY, MISSING, POISON, Failure, Fatal, OpValue, fail
from archc.syntax import ast
from archc.syntax.limits import MAX_NAME

if TYPE_CHECKING:
    from archc.elaborate.library import Library

Declaration = ast.BlockDef | ast.ArchDef | ast.VariantDef | ast.FnDef | ast.Assign


class Module:
    """A parsed file. `problems` are its syntax errors and its own static mistakes."""

    def __init__(
        self,
        library: Library,
        source: Source,
        tree: ast.File,
        problems: list[Diagnostic],
        depth: int,
        shipped: bool,
        *,
        beside: bool = True,
    ) -> None:
        self.library = library
        self.shipped = shipped  # a file of the library, whose imports are too
        self.beside = beside and not shipped  # whether imports are looked for beside it
        self.imported: list[Module | None] = []  # what each import led to when it was loaded
        self.source = source
        self.tree = tree
        self.problems = problems
        self.depth = depth
        self.errors = tuple(d.span for d in problems if d.severity == "error")  # of syntax
        self.lost = {n for s in self.errors for n in names_lost(s)}  # names whose declaration is wrong
        self.declarations: dict[str, Declaration] = {}
        self.imports: dict[str, tuple[ast.Import, ast.ImportName | None]] = {}
        self.claimed: dict[str, Span] = {}  # where each name is declared first
        self.fuel = FUEL  # for all its constants
        self.compiled: dict[Any, Any] = {}  # archs, by name and further requirements
        self._values: dict[str, Any] = {}
        self._resolving: set[str] = set()
        self._ambients: frozenset[str] | None = None
        self._family: list[Module] | None = None
        for statement in tree.statements:
            self._declare(statement)

    # ------------------------------------------------------------ declarations

    def _declare(self, statement: ast.Stmt) -> None:
        if isinstance(statement, ast.Import):
            if statement.names:
                for item in statement.names:
                    self._claim(item.alias or item.name, item.span)
                    self.imports[item.alias or item.name] = (statement, item)
            else:
                self._claim(statement.module[-1], statement.span)
                self.imports[statement.module[-1]] = (statement, None)
        elif isinstance(statement, ast.Assign):
            if not isinstance(statement.target, ast.NameTarget) or statement.augmented:
                self._problem(
                    "E0204", "a top-level constant is written `name = value`", statement.span,
                    "not a single name", ("give each constant a line of its own",),
                )  # fmt: skip
                self.lost.update(target_names(statement.target))
                return
            self._claim(statement.target.id, statement.target.span)
            self.declarations[statement.target.id] = statement
        elif isinstance(statement, ast.BlockDef | ast.ArchDef | ast.VariantDef | ast.FnDef):
            span = statement.span if isinstance(statement, ast.FnDef) else statement.name_span
            self._claim(statement.name, span)
            self.declarations[statement.name] = statement

    def _claim(self, name: str, span: Span) -> None:
        first = self.claimed.setdefault(name, span)
        if first is not span:
            line, _ = span.source.position(first.start)
            self._problem(
                "E0205", f"`{name}` is declared twice in this file", span, f"first declared in line {line}",
                ("rename or remove one of them",),
            )  # fmt: skip

    def _problem(self, code: str, message: str, span: Span, label: str, help: tuple[str, ...]) -> None:
        self.problems.append(Diagnostic(code, message, span, label, help))

    def gaps(self, statements: ast.Body, around: Span) -> list[Span]:
        """Where in a body statements are missing from the tree, as they have syntax errors."""
        return [
            e
            for e in self.errors
            if around.start <= e.start < around.end
            and not any(s.span.start <= e.start < s.span.end for s in statements)
        ]

    # ------------------------------------------------------------ names

    def visible(self) -> list[str]:
        """Every name an expression may use, for suggestions."""
        return [
            *self.declarations, *self.imports, *BUILTINS, *self.library.specials, *primitive_names(), "identity", "with_std",
        ]  # fmt: skip

    def knows(self, name: str) -> bool:
        """Whether this file declares or imports a name."""
        return name in self.declarations or name in self.imports

    def resolve(self, name: str, span: Span) -> Any:
        """The value of a module-level or builtin name used at `span`; MISSING if there is none, POISON if its
        declaration has a syntax error. Raises Failure."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = self._resolve(name, span)
        return found

    def _resolve(self, name: str, span: Span) -> Any:
        if name in self.declarations:
            return self._declared(self.declarations[name], name, span)
        if name in self.imports:
            statement, member = self.imports[name]
            module = self.library.import_module(self, statement)
            return module.member_of(member.name, member.span) if member else Namespace(module, name)
        found = builtin(name, self.library)
        odd = len(name) > MAX_NAME or not name.isascii()  # the lexer said so
        return POISON if found is MISSING and (odd or name in self.lost) else found

    def name_help(self, name: str, local: Iterable[str]) -> tuple[str, ...]:
        """What to write instead of a name nothing defines."""
        for statement, member in self.imports.values():
            if member is None and name == statement.module[0] and len(statement.module) > 1:
                return (f"`import {'.'.join(statement.module)}` binds `{statement.module[-1]}`",)
        return name_help(name, [*local, *self.visible()], self.library.blocks())

    def member_of(self, name: str, span: Span) -> Any:
        """A declaration of this module, for importers; raises Failure when there is none."""
        if name not in self.declarations:
            if name in self.lost:
                raise Failure
            raise fail(
                "E0213", f"{self.source.name} declares no `{name}`", span, "not found there",
                did_you_mean(name, self.declarations)
                or (f"it declares: {', '.join(list(self.declarations)[:12]) or 'nothing'}",),
            )  # fmt: skip
        return self.resolve(name, span)

    def _declared(self, declaration: Declaration, name: str, span: Span) -> Any:
        if isinstance(declaration, ast.BlockDef):
            return OpValue(self.block(declaration), {}, {}, None, declaration.name_span)
        if isinstance(declaration, ast.FnDef):
            return function_maker(self, declaration, frozenset())({})
        if isinstance(declaration, ast.Assign):
            return self._constant(declaration, name)
        kind = "an arch" if isinstance(declaration, ast.ArchDef) else "a variant"
        raise fail(
            "E0214", f"`{name}` is {kind}: a whole network, not an op", span, f"`{name}` has an input of its own",
            ("put what both networks share in a `block`; a `variant` may be based on an arch",),
        )  # fmt: skip

    def _constant(self, declaration: ast.Assign, name: str) -> Any:
        if name in self._resolving:
            raise fail(
                "E0215", f"`{name}` is defined by itself", declaration.span, "",
                ("constants are known all at once: give one of the two another name",),
            )  # fmt: skip
        self._resolving.add(name)
        try:
            return self.evaluate(declaration.value)
        finally:
            self._resolving.discard(name)

    def evaluate(self, expression: ast.Expr) -> Any:
        """The value of an expression of this file's names; raises Failure."""
        run = Run(self.library.caches, None, self.source.name, self.fuel)
        frame = ElabFrame(run, {}, self.library.caches.ambient, Body(()))
        if self.fuel < 0:
            raise Failure  # reported by the constant that used it up
        try:
            run.spend(effort(expression.span), expression.span)
            return ExpressionCompiler(self, frozenset()).compile(expression)(frame)
        except Fatal as fatal:
            raise Failure(fatal.diagnostic) from None
        finally:
            self.fuel = run.fuel

    def ambient_names(self) -> frozenset[str]:
        """Ambient parameters that some visible op or block declares."""
        if self._ambients is None:
            found = set(primitive_ambients())
            for module in self.family():
                found |= module._own_ambients()
            self._ambients = frozenset(found)
        return self._ambients

    def not_ambient(self, name: str, span: Span) -> Failure:
        """The Failure for a `set` of a name that nothing visible declares as ambient."""
        known = self.ambient_names()
        meant = name if name in self.library.ambients() else nearest(name, [*known, *self.library.ambients()])
        if meant is None:
            help = f"ambient here: {', '.join(sorted(known))}"
        elif meant in known:
            help = f"did you mean `{meant}`?"
        else:
            question = "" if meant == name else f"did you mean `{meant}`? "
            help = f"{question}blocks of the library read it: import one that you use"
        return fail(
            "E0203", f"no visible op or block has an ambient parameter `{name}`", span,
            "nothing would read it", (help,),
        )  # fmt: skip

    def all_problems(self) -> list[Diagnostic]:
        """The problems of this file and of those it imports, directly or not."""
        return [d for module in self.family() for d in module.problems]

    def family(self) -> list[Module]:
        """This file and those it imports, directly or not."""
        if self._family is None:
            self._family = list(self._with_imports({}).values())
        return self._family

    def _with_imports(self, seen: dict[int, Module]) -> dict[int, Module]:
        if id(self) not in seen:
            seen[id(self)] = self
            for statement, _ in self.imports.values():
                with suppress(Failure):
                    self.library.import_module(self, statement)._with_imports(seen)
        return seen

    def _own_ambients(self) -> set[str]:
        return {
            p.name
            for d in self.declarations.values()
            if isinstance(d, ast.BlockDef)
            for p in d.params
            if p.ambient
        }

    # ------------------------------------------------------------ blocks

    def block(self, definition: ast.BlockDef) -> BlockTarget:
        """A block as something callable; its body is compiled when first run."""
        tensors, params, defaults = [], [], {}
        names = frozenset(p.name for p in definition.params)
        expressions = ExpressionCompiler(self, names)
        for param in definition.params:
            tensor = is_tensor_param(param)
            if tensor is not None and not param.ambient:
                tensors.append(tensor)
                continue
            # an ambient tensor is a mistake, reported where it is declared
            type_ = param.type if tensor is None and param.type is not None else ast.TypeExpr("any", ())
            params.append(
                SigParam(
                    param.name,
                    type_,
                    param.ambient,
                    param.default is None,
                    describe_type(type_),
                    "" if param.default is None else " ".join(param.default.span.text.split()),
                )
            )
            if param.default is not None:
                defaults[param.name] = expressions.compile(param.default)
            elif tensor is not None:
                defaults[param.name] = lambda f: POISON
        compiled: list[Callable[[ElabFrame], Any]] = []

        def run(f: ElabFrame) -> Any:
            if not compiled:
                recursive = self.recursion(definition)
                if recursive is not None:
                    raise Failure(recursive)
                locals_ = names | frozenset(assigned_names(definition.body))
                compiled.append(StatementCompiler(self, locals_).body(definition.body, definition.span))
            outcome = compiled[0](f)
            if outcome is None:  # no `return`, or one that was lost to a syntax error
                return MISSING if self.gaps(definition.body, definition.span) else None
            return outcome[0]

        spent = sum(effort(p.default.span) for p in definition.params if p.default is not None)
        return BlockTarget(definition.name, tuple(tensors), tuple(params), definition, defaults, run, spent)

    def recursion(self, definition: ast.BlockDef | ast.FnDef) -> Diagnostic | None:
        """The diagnostic of a block or fn that leads back to itself, if it does."""
        found = self._way_back(definition, definition.name, [])
        if found is None:
            return None
        kind = "fn" if isinstance(definition, ast.FnDef) else "block"
        *between, use = found
        through = f", through {', '.join(f'`{b.id}`' for b in between)}" if between else ""
        return Diagnostic(
            "E0219", f"{kind} `{definition.name}` calls itself{through}", (between or [use])[0].span, "",
            ("nothing recurs in this language: repeat with `for`, or `n * op`",),
        )  # fmt: skip

    def _way_back(self, at: Declaration, name: str, passed: list[str]) -> list[ast.Name] | None:
        """The names that lead from a declaration to `name`, by way of others of this file."""
        if not isinstance(at, ast.BlockDef | ast.FnDef):
            return None
        uses = {u.id: u for u in reversed(list(uses_of(at)))}
        if name in uses:
            return [uses[name]]
        for other, use in uses.items():
            if other in self.declarations and other not in passed:
                passed.append(other)
                rest = self._way_back(self.declarations[other], name, passed)
                if rest is not None:
                    return [use, *rest]
        return None

    def static_problems(self) -> list[Diagnostic]:
        """Mistakes that show without running anything: see `archc.elaborate.names`."""
        from archc.elaborate.names import static_problems

        return static_problems(self)


class Namespace:
    """What `import std.nfnet` binds: `nfnet.nf_block`."""

    type_name = "module"

    def __init__(self, module: Module, name: str) -> None:
        self.module = module
        self.name = name

    def __repr__(self) -> str:
        return self.name

    @property
    def key(self) -> Any:
        return ("module", id(self.module))

    def member(self, name: str, span: Span) -> Any:
        return self.module.member_of(name, span)


def uses_of(declaration: ast.BlockDef | ast.FnDef) -> Iterator[ast.Name]:
    """The names a block or fn mentions that are not its own."""
    own = {p.name for p in declaration.params}
    body: Any = declaration.value if isinstance(declaration, ast.FnDef) else declaration.body
    if isinstance(declaration, ast.BlockDef):
        own |= set(assigned_names(declaration.body))
    return (n for n in name_nodes(body) if n.id not in own)


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
    target = primitive(name)
    return MISSING if target is None else OpValue(target, {}, {}, None, NOWHERE)
