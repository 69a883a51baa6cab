"""Expressions compiled to closures: `compile(expr)(frame)` is its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from archc.diagnostics import Span
from archc.elaborate import arithmetic, fast
from archc.elaborate.arithmetic import MAX_LIST, Interval, interval, is_number, too_long
from archc.elaborate.builtins import FLATTEN
from archc.elaborate.frame import ElabFrame, effort
from archc.elaborate.items import item, part
from archc.elaborate.operators import (
    Special,
    attribute,
    bounded,
    call_function,
    compose,
    hint_of,
    iterate,
    no_attribute,
    repeat,
    steps,
    tensor_call,
    tensor_operator,
    truth,
)
from archc.elaborate.run import sides, spread
from archc.elaborate.targets import target_names, target_setter
from archc.elaborate.values import (
    MISSING,
    POISON,
    Failure,
    Function,
    OpValue,
    Tensor,
    a_type,
    fail,
    is_op,
    show,
    tensors_in,
)
from archc.elaborate.weight import HOLDERS, reading
from archc.ops.symbolic import Symbol, Untraceable
from archc.syntax import ast

MAX_RANGE = 2**31  # a range is not a list yet, but its length must be a machine integer
Closure = Callable[[ElabFrame], Any]


class Names(Protocol):
    """Where names that are not local come from: the module being compiled."""

    def resolve(self, name: str, span: Span) -> Any:
        """The value of a module-level or builtin name used at `span`, MISSING or POISON; raises Failure."""

    def name_help(self, name: str, local: Iterable[str]) -> tuple[str, ...]:
        """What to write instead of a name nothing defines."""


class ExpressionCompiler:
    """Compiles the expressions of one scope. `locals_` are the names the scope binds anywhere in it."""

    def __init__(self, names: Names, locals_: frozenset[str]) -> None:
        self.names = names
        self.locals = locals_

    def compile(self, node: ast.Expr) -> Closure:
        """The closure of an expression."""
        return getattr(self, "_" + type(node).__name__)(node)  # type: ignore[no-any-return]  # dispatch by class

    # ------------------------------------------------------------ leaves

    def _Number(self, node: ast.Number) -> Closure:
        value = node.value
        return lambda f: value

    _String = _Number
    _Bool = _Number

    def _Name(self, node: ast.Name) -> Closure:
        name, span = node.id, node.span
        outer = self._global(name, span)
        if name not in self.locals:
            return outer

        def local(f: ElabFrame) -> Any:
            try:
                value = f.vars[name]
            except KeyError:
                return outer(f)
            if value is POISON:
                raise Failure
            return value

        return local

    def _global(self, name: str, span: Span) -> Closure:
        names, is_local = self.names, name in self.locals
        found: list[Any] = []

        def outer(f: ElabFrame) -> Any:
            if not found:
                value = names.resolve(name, span)
                if value is POISON:
                    raise Failure
                if value is MISSING:
                    raise self.undefined(name, span, is_local)
                found.append(value)
            return found[0]

        return outer

    def undefined(self, name: str, span: Span, is_local: bool) -> Failure:
        """The Failure for a name that means nothing (here, or yet)."""
        if is_local:
            return fail(
                "E0202", f"`{name}` has no value here", span, "not assigned yet on this path",
                ("assign it before the `if`, `for` or line that may skip it",),
            )  # fmt: skip
        return fail(
            "E0201", f"`{name}` is not defined", span, "not found",
            self.names.name_help(name, self.locals),
        )  # fmt: skip

    # ------------------------------------------------------------ collections

    def _ListExpr(self, node: ast.ListExpr) -> Closure:
        items, span = [self.compile(i) for i in node.items], node.span
        return lambda f: bounded([i(f) for i in items], f, span)

    def _TupleExpr(self, node: ast.TupleExpr) -> Closure:
        items, span = [self.compile(i) for i in node.items], node.span
        return lambda f: bounded(tuple([i(f) for i in items]), f, span)

    def _ListComp(self, node: ast.ListComp) -> Closure:
        bound = frozenset(n for c in node.clauses for n in target_names(c.target))
        inner = ExpressionCompiler(self.names, self.locals | bound)
        element = inner.compile(node.element)
        clauses = [
            (
                target_setter(c.target),
                inner.compile(c.iterable),
                [inner.compile(i) for i in c.conditions],
                c.iterable.span,
            )
            for c in node.clauses
        ]
        span, turn = node.span, 1 + effort(node.span)
        only = node.clauses[0]
        if len(clauses) == 1 and not only.conditions and isinstance(only.target, ast.NameTarget):
            return fast.comprehension(only.target.id, clauses[0][1], only.iterable.span, element, span)

        def walk(f: ElabFrame, level: int, out: list[Any]) -> None:
            assign, iterable, conditions, at = clauses[level]
            for value in iterate(iterable(f), at):
                f.run.spend(turn, span)
                assign(f, value, at)
                if all(truth(c(f), at) for c in conditions):
                    if level + 1 < len(clauses):
                        walk(f, level + 1, out)
                    else:
                        out.append(element(f))
                        if len(out) > MAX_LIST:
                            raise fail(
                                "E0904", f"a list may hold at most {MAX_LIST:,} items", span, "too long"
                            )

        def comprehension(f: ElabFrame) -> Any:
            saved = {n: f.vars.get(n, MISSING) for n in bound}
            out: list[Any] = []
            try:
                walk(f, 0, out)
            finally:
                for name, value in saved.items():
                    if value is MISSING:
                        f.vars.pop(name, None)
                    else:
                        f.vars[name] = value
            return bounded(out, f, span)

        return comprehension

    def _Range(self, node: ast.Range) -> Closure:
        start, stop, span, inclusive = (
            self.compile(node.start),
            self.compile(node.stop),
            node.span,
            node.inclusive,
        )

        def make(f: ElabFrame) -> Any:
            low, high = start(f), stop(f)
            if type(low) is Symbol or type(high) is Symbol:
                raise Untraceable  # how long it is decides what comes after
            if type(low) is int and type(high) is int:
                if high - low >= MAX_RANGE:
                    raise fail("E0904", too_long(high - low), span, "too long to walk")
                return range(low, high + 1 if inclusive else high)
            return interval(low, high, inclusive, span)

        return make

    # ------------------------------------------------------------ operators

    def _Unary(self, node: ast.Unary) -> Closure:
        operand, op, span = self.compile(node.operand), node.op, node.span
        at = node.operand.span
        if op == "not":
            return lambda f: not truth(operand(f), at)

        def apply(f: ElabFrame) -> Any:
            value = operand(f)
            if isinstance(value, Tensor):
                return value if op == "+" else tensor_call(f, "scale", [value], {"factor": -1.0}, span)
            if not is_number(value):
                raise fail("E0410", f"`{op}` does not take {a_type(value)}", span, f"this is {show(value)}")
            return -value if op == "-" else value

        return apply

    def _Binary(self, node: ast.Binary) -> Closure:
        left, right, op, span = self.compile(node.left), self.compile(node.right), node.op, node.span
        left_hint, left_span = hint_of(node.left), node.left.span

        def general(f: ElabFrame, a: Any, b: Any) -> Any:
            if type(a) is Tensor or type(b) is Tensor:
                return tensor_operator(f, op, a, b, span)
            if op == "*" and (is_op(a) or is_op(b)):
                return repeat(f, a, b, span, left_hint, hint_of(node.right), left_span)
            return arithmetic.binary(op, a, b, span)

        return fast.binary(op, left, right, (self._local(node.left), self._local(node.right)), general)

    def _local(self, node: ast.Expr) -> str:
        """The name of a local variable, or nothing."""
        return node.id if isinstance(node, ast.Name) and node.id in self.locals else ""

    def _BoolOp(self, node: ast.BoolOp) -> Closure:
        left, right = self.compile(node.left), self.compile(node.right)
        a, b = node.left.span, node.right.span
        if node.op == "and":
            return lambda f: truth(left(f), a) and truth(right(f), b)
        return lambda f: truth(left(f), a) or truth(right(f), b)

    def _Compare(self, node: ast.Compare) -> Closure:
        first, span = self.compile(node.first), node.span
        rest = [
            (
                op,
                self._interval(e) if op in ("in", "not in") and isinstance(e, ast.Range) else self.compile(e),
            )
            for op, e in node.rest
        ]

        def general(op: str, f: ElabFrame, left: Any, right: Any) -> bool:
            if type(left) in HOLDERS or type(right) in HOLDERS:
                f.run.spend(reading((left, right), span), span)
            elif type(right) is str:
                f.run.spend(len(right) // 32, span)
            return arithmetic.compare(op, left, right, span)

        if len(rest) == 1:
            return fast.compare(rest[0][0], first, rest[0][1], partial(general, rest[0][0]))

        def apply(f: ElabFrame) -> bool:
            left = first(f)
            for op, closure in rest:
                right = closure(f)
                if not general(op, f, left, right):
                    return False
                left = right
            return True

        return apply

    def _interval(self, node: ast.Range) -> Closure:
        """A range on the right of `in` means its bounds, for floats too."""
        start, stop, inclusive, span = (
            self.compile(node.start),
            self.compile(node.stop),
            node.inclusive,
            node.span,
        )

        def make(f: ElabFrame) -> Interval:
            return interval(start(f), stop(f), inclusive, span)

        return make

    def _Conditional(self, node: ast.Conditional) -> Closure:
        condition, then, otherwise = map(self.compile, (node.condition, node.then, node.otherwise))
        at = node.condition.span
        return lambda f: then(f) if truth(condition(f), at) else otherwise(f)

    # ------------------------------------------------------------ ops

    def _Pipe(self, node: ast.Pipe) -> Closure:
        left, right, span = self.compile(node.left), self.compile(node.right), node.right.span
        hint, left_hint, left_span = hint_of(node.right), hint_of(node.left), node.left.span

        def apply(f: ElabFrame) -> Any:
            value, op = sides(f, left, right)
            if type(value) is Tensor and type(op) is OpValue:
                return f.run.apply(f, op, [value], span, hint)
            if is_op(value):
                if not is_op(op):
                    message = f"`->` needs an op on its right, not {show(op)}"
                    raise fail("E0409", message, span, f"this is {a_type(op)}")
                return compose(f, steps(value, left_hint, left_span) + steps(op, hint, span), span)
            if isinstance(op, Special):
                return op.call(f, [(None, v, left_span) for v in spread(value)], span)
            if not tensors_in(value) and not (isinstance(value, list | tuple) and not value):
                raise fail(
                    "E0414", f"`->` needs a tensor or an op on its left, not {show(value)}", left_span,
                    f"this is {a_type(value)}", ("`x -> f(3)` applies f to the tensor x",),
                )  # fmt: skip
            return f.run.apply(f, op, spread(value), span, hint)

        return apply

    def _Call(self, node: ast.Call) -> Closure:
        function, span, hint = self.compile(node.function), node.span, hint_of(node.function)
        at = node.function.span
        args = [(a.name, a.span, a.value.id if isinstance(a.value, ast.Name) else None) for a in node.args]
        closures = [self.compile(a.value) for a in node.args]

        def general(f: ElabFrame, target: Any, values: list[Any]) -> Any:
            spans = f.spans
            given = [
                (name, value, spans.get(source, where) if source else where)
                for (name, where, source), value in zip(args, values, strict=True)
            ]
            if isinstance(target, Function):
                f.run.spend(2, span)
                if isinstance(target, Special):
                    return target.call(f, given, span)
                return call_function(f, target, given, span)
            if not is_op(target):
                help = "only ops, blocks and functions are called"
                if isinstance(target, Tensor):
                    help = "an op is applied to a tensor by `x -> f`, several in a row by `x -> f -> g`"
                raise fail(
                    "E0408", f"{show(target)} cannot be called", at, f"this is {a_type(target)}", (help,)
                )
            if (
                isinstance(target, OpValue)
                and target.target.name == "flatten"
                and given
                and isinstance(given[0][1], list)
            ):
                return call_function(f, FLATTEN, given, span)
            return f.run.call(f, target, given, span, hint)

        if all(a.name is None for a in node.args):
            fixed = isinstance(node.function, ast.Name) and not self._local(node.function)
            return fast.call(fixed, function, closures, general, span)
        return lambda f: general(f, function(f), [closure(f) for closure in closures])

    def _Attribute(self, node: ast.Attribute) -> Closure:
        value, name, span = self.compile(node.value), node.name, node.span

        def get(f: ElabFrame) -> Any:
            found = value(f)
            if type(found) is Tensor:
                return attribute(found, name, span)
            member = getattr(found, "member", None)
            if member is not None:
                return member(name, span)
            raise no_attribute(found, name, span)

        return get

    def _Index(self, node: ast.Index) -> Closure:
        value, index = self.compile(node.value), self.compile(node.index)
        value_at, at = node.value.span, node.index.span

        return lambda f: item(f, value(f), index(f), value_at, at)

    def _Slice(self, node: ast.Slice) -> Closure:
        value, value_at, span = self.compile(node.value), node.value.span, node.span
        bounds = [(self.compile(b), b.span) if b is not None else None for b in (node.start, node.stop)]

        def cut(f: ElabFrame) -> Any:
            items = value(f)
            start, stop = [(b[0](f), b[1]) if b is not None else (None, span) for b in bounds]
            return part(f, items, start, stop, value_at, span)

        return cut
