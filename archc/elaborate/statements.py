"""Statements compiled to closures. A statement that fails is reported, and the next one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Diagnostic, Span, did_you_mean
from archc.elaborate import arithmetic
from archc.elaborate.expressions import Closure, ExpressionCompiler
from archc.elaborate.frame import ElabFrame, effort
from archc.elaborate.numeric import often
from archc.elaborate.operators import Lambda, Special, iterate, tensor_operator, truth
from archc.elaborate.signature import given_twice, not_given
from archc.elaborate.targets import names_lost, target_names, target_setter
from archc.elaborate.values import (
    MISSING,
    POISON,
    Failure,
    Tensor,
    a_type,
    fail,
    is_op,
    show,
    tensors_in,
)
from archc.elaborate.weight import reading
from archc.syntax import ast
from archc.syntax.walk import walk

if TYPE_CHECKING:
    from archc.elaborate.module import Module

Execute = Callable[[ElabFrame], "tuple[Any] | None"]
"""Runs one statement; a 1-tuple is what `return` returned."""


def assigned_names(body: Iterable[ast.Stmt]) -> Iterator[str]:
    """Names a body binds anywhere in it, `set` names and the current tensor included."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            yield from target_names(statement.target)
        elif isinstance(statement, ast.SetStmt):
            yield from (b.name for b in statement.bindings if b.name)
        elif isinstance(statement, ast.FnDef):
            yield statement.name
        elif isinstance(statement, ast.Input):
            yield statement.name or "x"
        elif isinstance(statement, ast.For):
            yield from target_names(statement.target)
            yield from assigned_names(statement.body)
        elif isinstance(statement, ast.If):
            yield from assigned_names(statement.then)
            yield from assigned_names(statement.otherwise)
        elif isinstance(statement, ast.Section) and statement.body:
            yield from assigned_names(statement.body)


def name_nodes(node: Any) -> Iterator[ast.Name]:
    """Every mention of a name in an expression or statement."""
    return (n for n in walk(node) if isinstance(n, ast.Name))


def free_names(node: Any) -> Iterator[str]:
    """Every name an expression or statement mentions."""
    return (n.id for n in name_nodes(node))


def _returns(body: Iterable[ast.Stmt]) -> bool:
    return any(
        isinstance(s, ast.Return)
        or (isinstance(s, ast.For) and _returns(s.body))
        or (isinstance(s, ast.If) and (_returns(s.then) or _returns(s.otherwise)))
        for s in body
    )


ARCH_ONLY = (ast.Input, ast.Section, ast.Output, ast.Info, ast.Expect, ast.Require)


class StatementCompiler:
    """Compiles the bodies of one declaration. Arch-only statements are compiled by its subclass."""

    def __init__(self, module: Module, locals_: frozenset[str]) -> None:
        self.module = module
        self.locals = locals_
        self.expressions = ExpressionCompiler(module, locals_)
        self.loops = 0
        self.level = 0
        # local functions with what makes them; None for a name that has several
        self.functions: dict[str, tuple[ast.FnDef, Callable[[dict[str, Any]], Special]] | None] = {}

    def body(self, statements: ast.Body, around: Span) -> Execute:
        """One closure for a whole body within the text `around`; `set`s in it end with it."""
        self.level += 1
        gaps = self.module.gaps(statements, around)
        program: list[tuple[Execute, tuple[str, ...], bool]] = []
        for statement in statements:
            while gaps and gaps[0].start < statement.span.start:
                program.append((self.gap(gaps.pop(0)), (), False))
            execute = self.statement(statement)
            names = tuple(dict.fromkeys(assigned_names((statement,))))
            program.append((execute, names, _returns((statement,))))
        program += [(self.gap(gap), (), False) for gap in gaps]
        self.level -= 1
        set_names = tuple(
            {b.name for s in statements if isinstance(s, ast.SetStmt) for b in s.bindings if b.name}
        )

        def run(f: ElabFrame) -> tuple[Any] | None:
            for execute, names, returns in program:
                try:
                    outcome = execute(f)
                except Failure as failure:
                    if failure.diagnostic is not None:
                        f.run.report(failure.diagnostic)
                    f.run.failed = True
                    f.body.reusable = False
                    spoil(f, names)
                    if returns:
                        return (MISSING,)
                    continue
                if outcome is not None:
                    return outcome
            return None

        if not set_names:
            return run

        def scoped(f: ElabFrame) -> tuple[Any] | None:
            ambient = f.ambient
            saved = {n: f.vars.get(n, MISSING) for n in set_names}
            try:
                return run(f)
            finally:
                f.ambient = ambient
                for name, value in saved.items():
                    if value is MISSING:
                        f.vars.pop(name, None)
                    else:
                        f.vars[name] = value

        return scoped

    def gap(self, error: Span) -> Execute:
        """What stands for a statement with a syntax error: all it may have changed is a guess from here on."""
        names = names_lost(error)
        line, _ = error.source.position(error.start)
        outcome = (MISSING,) if error.source.line(line).split()[:1] == ["return"] else None

        def spoiled(f: ElabFrame) -> tuple[Any] | None:
            f.run.failed = True
            f.body.reusable = False
            spoil(f, [*names, f.current] if f.current else names)
            return outcome

        return spoiled

    def arithmetic(self, node: ast.Expr) -> Closure:
        """The closure of an expression that may be arithmetic."""
        return often(self.expressions, node, self.expressions.compile(node))

    def statement(self, node: ast.Stmt) -> Execute:
        """The closure of one statement."""
        method = getattr(self, "_" + type(node).__name__, None)
        if method is None:
            return _raiser(misplaced(node))
        return method(node)  # type: ignore[no-any-return]  # dispatch by class

    # ------------------------------------------------------------ statements of any body

    def _Assign(self, node: ast.Assign) -> Execute:
        value, span = self.arithmetic(node.value), node.value.span
        setter = target_setter(node.target)
        if not node.augmented:

            def assign(f: ElabFrame) -> None:
                setter(f, value(f), span)

            return assign
        if not isinstance(node.target, ast.NameTarget):
            help = ("write one `+=` for each",)
            message = "`+=` needs a single name on its left"
            return _raiser(Diagnostic("E0422", message, node.target.span, "several names", help))
        current = self.expressions.compile(ast.Name(node.target.id, span=node.target.span))

        def augment(f: ElabFrame) -> None:
            a, b = current(f), value(f)
            if isinstance(a, Tensor) or isinstance(b, Tensor):
                setter(f, tensor_operator(f, "+", a, b, node.span), span)
            else:
                if isinstance(a, list):
                    f.run.spend(len(a) // 64, span)
                setter(f, arithmetic.binary("+", a, b, node.span), span)

        return augment

    def _SetStmt(self, node: ast.SetStmt) -> Execute:
        bindings = [(b.name or "", self.expressions.compile(b.value), b.span) for b in node.bindings]
        known = self.module.ambient_names()
        top = self.level == 1

        def set_(f: ElabFrame) -> None:
            for name, value, span in bindings:
                try:
                    if name not in known:
                        raise self.module.not_ambient(name, span)
                    found = f.run.set_value(name, value(f), span, top)
                except Failure as failure:
                    if failure.diagnostic is not None:
                        f.run.report(failure.diagnostic)
                    spoil(f, [name])
                    continue
                f.run.spend(1 + reading([found], span), span)
                f.ambient = f.ambient.extend(name, found)
                f.vars[name] = found

        return set_

    def _For(self, node: ast.For) -> Execute:
        iterable, span = self.arithmetic(node.iterable), node.iterable.span
        setter = target_setter(node.target)
        self.loops += 1
        body = self.body(node.body, node.span)
        self.loops -= 1
        turn = 1 + len(node.body) + effort(node.span)

        def loop(f: ElabFrame) -> tuple[Any] | None:
            for item in iterate(iterable(f), span):
                f.run.spend(turn, node.span)
                setter(f, item, span)
                outcome = body(f)
                if outcome is not None:
                    return outcome
            return None

        return loop

    def _If(self, node: ast.If) -> Execute:
        condition, span = self.arithmetic(node.condition), node.condition.span
        then, otherwise = self.body(node.then, node.span), self.body(node.otherwise, node.span)
        return lambda f: then(f) if truth(condition(f), span) else otherwise(f)

    def _Return(self, node: ast.Return) -> Execute:
        value = self.expressions.compile(node.value)
        return lambda f: (value(f),)

    def _ExprStmt(self, node: ast.ExprStmt) -> Execute:
        value, span = self.expressions.compile(node.value), node.span

        def discard(f: ElabFrame) -> None:
            found = value(f)
            label = show(found) if isinstance(found, Tensor) else f"{a_type(found)}, {show(found)}"
            hint = "assign it to a name, or remove it"
            if tensors_in(found) or is_op(found):
                hint = f"assign the result: `{f.current or 'y'} = …`"
                if f.current:  # most likely meant to change it
                    spoil(f, [f.current])
                    hint += "; `stem`, `stage` and `head` apply an op to the current tensor"
            raise fail("E0207", "this value is used for nothing", span, label, (hint,))

        return discard

    def _FnDef(self, node: ast.FnDef) -> Execute:
        make = function_maker(self.module, node, self.locals)
        self.functions[node.name] = None if node.name in self.functions else (node, make)

        def define(f: ElabFrame) -> None:
            f.vars[node.name] = make(f.vars)

        return define


def function_maker(
    module: Module, node: ast.FnDef, locals_: frozenset[str]
) -> Callable[[dict[str, Any]], Special]:
    """`fn` as a function from the variables around it to a callable value."""
    names = [p.name for p in node.params]
    inner = ExpressionCompiler(module, locals_ | frozenset(names))
    defaults = {p.name: inner.compile(p.default) for p in node.params if p.default is not None}
    value: list[Closure] = []  # compiled at the first call: a function may mention later constants
    parameters = [
        p.name if p.default is None else f"{p.name} = {' '.join(p.default.span.text.split())}"
        for p in node.params
    ]
    described = f"{node.name}({', '.join(parameters)})"

    def make(around: dict[str, Any]) -> Special:
        def call(f: ElabFrame, args: list[tuple[str | None, Any, Span]], span: Span) -> Any:
            bound: dict[str, Any] = {}
            position = 0
            for name, argument, at in args:
                if tensors_in(argument):
                    raise fail("E0405", f"{node.name}: a fn takes no tensors", at, "this is a tensor",
                               ("make it a block",))  # fmt: skip
                if name is None:
                    if position >= len(names):
                        many = f"{len(names)} argument{'s' if len(names) != 1 else ''}"
                        raise fail("E0402", f"{node.name} takes at most {many}", at,
                                   "one too many", (f"it is declared as {described}",))  # fmt: skip
                    name = names[position]
                    position += 1
                if name not in names:
                    raise fail("E0401", f"{node.name} has no parameter `{name}`", at, "unknown parameter",
                               did_you_mean(name, names) or (f"it is declared as {described}",))  # fmt: skip
                if name in bound:
                    raise given_twice(node.name, name, at)
                bound[name] = argument
            frame = ElabFrame(f.run, {**around, **bound}, f.ambient, f.body)
            for name in names:
                if name in bound:
                    continue
                if name not in defaults:
                    missing = [n for n in names if n not in bound and n not in defaults]
                    raise not_given(node.name, missing, described, span)
                frame.vars[name] = defaults[name](frame)
            return run(frame, span)

        def direct(f: ElabFrame, values: list[Any], span: Span) -> Any:
            if len(values) != len(names):
                return MISSING
            for given in values:
                if type(given) is not int and type(given) is not float and tensors_in(given):
                    return MISSING
            bound = dict(zip(names, values, strict=True))
            return run(ElabFrame(f.run, {**around, **bound} if around else bound, f.ambient, f.body), span)

        def run(f: ElabFrame, span: Span) -> Any:
            if not value:
                recursive = module.recursion(node)
                if recursive is not None:
                    raise Failure(recursive)
                value.append(inner.compile(node.value))
            f.run.enter(span)
            f.run.spend(20 + effort(node.span), span)
            try:
                return value[0](f)
            finally:
                f.run.depth -= 1

        return Lambda(node.name, call, described, direct, None if locals_ else node, inner)

    return make


def spoil(f: ElabFrame, names: Iterable[str]) -> None:
    """After a failed statement: tensors it would have set become guesses, other values unknown."""
    for name in names:
        old = f.vars.get(name)
        f.vars[name] = Tensor(old.body, old.ref, old.shape, True) if isinstance(old, Tensor) else POISON


def misplaced(node: ast.Stmt) -> Diagnostic:
    """The diagnostic of an arch's statement in a block."""
    what = node.kind if isinstance(node, ast.Section) else type(node).__name__.lower()
    return Diagnostic(
        "E0206", f"`{what}` belongs in an arch, not in a block", node.span, "in the body of a block",
        ("blocks compute and return tensors: `y = x -> f`, `return y`",),
    )  # fmt: skip


def _raiser(diagnostic: Diagnostic) -> Execute:
    def raise_(f: ElabFrame) -> None:
        raise Failure(diagnostic)

    return raise_
