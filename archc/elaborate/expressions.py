"""Expressions compiled to closures: `compile(expr)(frame)` is its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from archc.diagnostics import Span, did_you_mean
from archc.elaborate import arithmetic
from archc.elaborate.arithmetic import MAX_LIST, Interval, is_number
from archc.elaborate.builtins import BUILTINS, FLATTEN, BadArgument
from archc.elaborate.run import ElabFrame, spread
from archc.elaborate.signature import primitives
from archc.elaborate.values import (
    IDENTITY,
    MISSING,
    POISON,
    Composition,
    Failure,
    Function,
    OpValue,
    Step,
    Tensor,
    fail,
    is_op,
    key_of,
    show,
    show_shape,
    tensors_in,
    type_name,
)
from archc.syntax import ast

Closure = Callable[[ElabFrame], Any]


class Special(Function):
    """A builtin that needs the frame: called with (frame, args, span)."""

    __slots__ = ()


class Names(Protocol):
    """Where names that are not local come from: the module being compiled."""

    def resolve(self, name: str) -> Any:
        """The value of a module-level or builtin name, or MISSING."""

    def visible(self) -> list[str]:
        """All names that can be resolved, for suggestions."""


class Attributes:
    """What `.` finds on a tensor."""

    @staticmethod
    def get(value: Tensor, name: str, span: Span) -> Any:
        shape = value.shape
        if name == "std":
            variance = value.body.variance(value.ref)
            if isinstance(variance, str):
                raise fail(
                    "E0511", f"the standard deviation is unknown here: `{variance}` has no variance rule", span,
                    help=(
                        "use variance-preserving ops (ws_conv, activations with gamma = true) or assert it: with_std(y, 1)",
                    ),
                )  # fmt: skip
            return variance**0.5
        if name == "shape":
            return shape
        if name == "channels" or name == "features":
            return shape[0]
        if name in ("height", "width") and len(shape) == 3:
            return shape[1 if name == "height" else 2]
        known = ["channels", "height", "width", "std", "shape"]
        if name in known:
            raise fail(
                "E0413", f"a tensor of shape {show_shape(shape)} has no {name}", span, "it is a vector",
            )  # fmt: skip
        raise fail("E0413", f"a tensor has no attribute `{name}`", span, help=did_you_mean(name, known))


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
            value = f.vars.get(name, MISSING)
            if value is MISSING:
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
                value = names.resolve(name)
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
            did_you_mean(name, [*self.locals, *self.names.visible()]),
        )  # fmt: skip

    # ------------------------------------------------------------ collections

    def _ListExpr(self, node: ast.ListExpr) -> Closure:
        items = [self.compile(i) for i in node.items]
        return lambda f: [i(f) for i in items]

    def _TupleExpr(self, node: ast.TupleExpr) -> Closure:
        items = [self.compile(i) for i in node.items]
        return lambda f: tuple([i(f) for i in items])

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
        span = node.span

        def walk(f: ElabFrame, level: int, out: list[Any]) -> None:
            assign, iterable, conditions, at = clauses[level]
            for value in iterate(iterable(f), at):
                f.run.spend(1, span)
                assign(f, value, at)
                if all(truth(c(f), at) for c in conditions):
                    if level + 1 < len(clauses):
                        walk(f, level + 1, out)
                    else:
                        out.append(element(f))
                        if len(out) > MAX_LIST:
                            raise fail("E0904", f"a list may hold at most {MAX_LIST:,} items", span)

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
            return out

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
            if type(low) is int and type(high) is int:
                return range(low, high + 1 if inclusive else high)
            if is_number(low) and is_number(high):
                return Interval(low, high, inclusive)
            raise fail("E0410", f"a range needs numbers, not {show(low)} and {show(high)}", span)

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
                raise fail("E0410", f"`{op}` does not take {type_name(value)}", span)
            return -value if op == "-" else value

        return apply

    def _Binary(self, node: ast.Binary) -> Closure:
        left, right, op, span = self.compile(node.left), self.compile(node.right), node.op, node.span
        left_hint, left_span = hint_of(node.left), node.left.span

        def apply(f: ElabFrame) -> Any:
            a, b = left(f), right(f)
            if type(a) is Tensor or type(b) is Tensor:
                return tensor_operator(f, op, a, b, span)
            if op == "*" and (is_op(a) or is_op(b)):
                return repeat(f, a, b, span, left_hint, hint_of(node.right), left_span)
            return arithmetic.binary(op, a, b, span)

        return apply

    def _BoolOp(self, node: ast.BoolOp) -> Closure:
        left, right = self.compile(node.left), self.compile(node.right)
        a, b = node.left.span, node.right.span
        if node.op == "and":
            return lambda f: truth(left(f), a) and truth(right(f), b)
        return lambda f: truth(left(f), a) or truth(right(f), b)

    def _Compare(self, node: ast.Compare) -> Closure:
        first, span = self.compile(node.first), node.span
        rest = [(op, self.compile(e)) for op, e in node.rest]

        def apply(f: ElabFrame) -> bool:
            left = first(f)
            for op, closure in rest:
                right = closure(f)
                if not arithmetic.compare(op, left, right, span):
                    return False
                left = right
            return True

        return apply

    def _Conditional(self, node: ast.Conditional) -> Closure:
        condition, then, otherwise = map(self.compile, (node.condition, node.then, node.otherwise))
        at = node.condition.span
        return lambda f: then(f) if truth(condition(f), at) else otherwise(f)

    # ------------------------------------------------------------ ops

    def _Pipe(self, node: ast.Pipe) -> Closure:
        left, right, span = self.compile(node.left), self.compile(node.right), node.right.span
        hint, left_hint, left_span = hint_of(node.right), hint_of(node.left), node.left.span

        def apply(f: ElabFrame) -> Any:
            value = left(f)
            op = right(f)
            if is_op(value):
                if not is_op(op):
                    raise fail("E0409", f"`->` needs an op on its right, not {show(op)}", span)
                return Composition((*steps(value, left_hint, left_span), *steps(op, hint, span)))
            if isinstance(op, Special):
                return op.call(f, [(None, v, left_span) for v in spread(value)], span)
            if not tensors_in(value) and not (isinstance(value, list | tuple) and not value):
                raise fail(
                    "E0414", f"`->` needs a tensor or an op on its left, not {show(value)}", left_span,
                    f"this is {type_name(value)}",
                )  # fmt: skip
            return f.run.apply(f, op, spread(value), span, hint)

        return apply

    def _Call(self, node: ast.Call) -> Closure:
        function, span, hint = self.compile(node.function), node.span, hint_of(node.function)
        at = node.function.span
        args = [
            (a.name, self.compile(a.value), a.span, a.value.id if isinstance(a.value, ast.Name) else None)
            for a in node.args
        ]

        def apply(f: ElabFrame) -> Any:
            target = function(f)
            spans = f.spans
            given = [
                (name, closure(f), spans.get(source, where) if source else where)
                for name, closure, where, source in args
            ]
            if isinstance(target, Function):
                f.run.spend(2, span)
                if isinstance(target, Special):
                    return target.call(f, given, span)
                return call_function(f, target, given, span)
            if not is_op(target):
                raise fail("E0408", f"{show(target)} cannot be called: it is {type_name(target)}", at)
            if (
                isinstance(target, OpValue)
                and target.target.name == "flatten"
                and given
                and not tensors_in(given[0][1])
                and isinstance(given[0][1], list)
            ):
                return call_function(f, FLATTEN, given, span)
            return f.run.call(f, target, given, span, hint)

        return apply

    def _Attribute(self, node: ast.Attribute) -> Closure:
        value, name, span = self.compile(node.value), node.name, node.span

        def get(f: ElabFrame) -> Any:
            found = value(f)
            if type(found) is Tensor:
                return Attributes.get(found, name, span)
            member = getattr(found, "member", None)
            if member is not None:
                return member(name, span)
            raise fail("E0413", f"{type_name(found)} has no attribute `{name}`", span)

        return get

    def _Index(self, node: ast.Index) -> Closure:
        value, index, span, at = (
            self.compile(node.value),
            self.compile(node.index),
            node.span,
            node.index.span,
        )

        def get(f: ElabFrame) -> Any:
            items, i = value(f), index(f)
            if not isinstance(items, list | tuple | range):
                raise fail("E0416", f"{type_name(items)} cannot be indexed", span)
            if isinstance(i, float) and i.is_integer():
                i = int(i)
            if type(i) is not int:
                raise fail("E0416", f"an index must be an int, not {show(i)}", at)
            if not -len(items) <= i < len(items):
                raise fail(
                    "E0417", f"index {i} is out of range: the {type_name(items)} has {len(items)} items", at,
                    "counts from 0; negative indices count from the end",
                )  # fmt: skip
            return items[i]

        return get


# ---------------------------------------------------------------- helpers


def hint_of(node: ast.Expr) -> str:
    """The name an op is called by: what its node is named after. Empty: the op's own name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        return hint_of(node.function)
    if isinstance(node, ast.Attribute):
        return node.name
    return ""


def steps(op: Any, hint: str, span: Span) -> tuple[Step, ...]:
    """An op value as the steps of a composition."""
    return op.steps if isinstance(op, Composition) else (Step(op, hint, span),)


def repeat(f: ElabFrame, a: Any, b: Any, span: Span, left_hint: str, right_hint: str, at: Span) -> Any:
    """`3 * f`."""
    count, op, hint = (a, b, right_hint) if is_op(b) else (b, a, left_hint)
    if isinstance(count, float) and count.is_integer():
        count = int(count)
    if type(count) is not int or not is_op(op) or count < 0:
        raise fail(
            "E0410", f"`*` does not take {type_name(a)} and {type_name(b)}", span,
            help=("an op is repeated by a whole number: `3 * f`",),
        )  # fmt: skip
    f.run.spend(count, span)
    if count == 0:
        return IDENTITY
    found = steps(op, hint, at)
    if len(found) * count > 20_000:
        raise fail("E0905", f"{count:,} repetitions make more than 20,000 steps", span)
    return Composition(found * count)


def tensor_call(f: ElabFrame, name: str, tensors: list[Any], args: dict[str, Any], span: Span) -> Any:
    """A primitive applied by an operator."""
    value = OpValue(primitives()[name], args, {}, None, span)
    return f.run.apply(f, value, tensors, span, name)


def tensor_operator(f: ElabFrame, op: str, a: Any, b: Any, span: Span) -> Any:
    """`a op b` where at least one is a tensor."""
    if type(a) is Tensor and type(b) is Tensor:
        if op == "+":
            return tensor_call(f, "add", [a, b], {}, span)
        if op == "-":
            return tensor_call(f, "add", [a, tensor_call(f, "scale", [b], {"factor": -1.0}, span)], {}, span)
        if op == "*":
            return tensor_call(f, "mul", [a, b], {}, span)
        raise fail(
            "E0410", f"`{op}` does not take two tensors", span, help=("tensors add, subtract and multiply",)
        )
    tensor, other = (a, b) if type(a) is Tensor else (b, a)
    if is_number(other):
        if op == "*":
            return tensor_call(f, "scale", [tensor], {"factor": float(other)}, span)
        if op == "/" and tensor is a:
            if other == 0:
                raise fail("E0411", "division by zero", span)
            return tensor_call(f, "scale", [tensor], {"factor": 1 / other}, span)
    help: tuple[str, ...] = ()
    if is_op(other):
        help = ("parenthesise the pipe: `->` binds looser than operators, so write `a + (x -> f)`",)
    raise fail("E0410", f"`{op}` does not take {type_name(a)} and {type_name(b)}", span, help=help)


def truth(value: Any, span: Span) -> bool:
    """A condition; only bools are."""
    if value is True or value is False:
        return value
    raise fail(
        "E0418", f"a condition must be a bool, not {show(value)}", span, f"this is {type_name(value)}",
        ("compare it: `!= 0`, `len(…) > 0`",),
    )  # fmt: skip


def iterate(value: Any, span: Span) -> Any:
    """What `for` and comprehensions walk over."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, range):
        if len(value) > MAX_LIST:
            raise fail("E0904", f"a range of {len(value):,} items is too long (at most {MAX_LIST:,})", span)
        return value
    help = ("write `0..n`",) if type(value) is int else ()
    raise fail("E0419", f"cannot iterate over {show(value)}", span, f"this is {type_name(value)}", help)


def call_function(
    f: ElabFrame, function: Function, args: list[tuple[str | None, Any, Span]], span: Span
) -> Any:
    """A builtin on plain values; raises Failure."""
    for _, value, at in args:
        if tensors_in(value):
            raise fail("E0405", f"{function.name} takes numbers and lists, not {show(value)}", at)
        if isinstance(value, list | tuple | range):
            f.run.spend(min(len(value), MAX_LIST + 1) // 16, span)
    try:
        result = function.call(
            *[v for n, v, _ in args if n is None], **{n: v for n, v, _ in args if n is not None}
        )
    except BadArgument as error:
        raise fail("E0420", str(error), span) from None
    except TypeError:
        raise fail(
            "E0402", f"{function.name} does not take these arguments", span,
            help=(f"it is declared as {function.signature}",),
        )  # fmt: skip
    except (ValueError, OverflowError):
        raise fail("E0412", f"{function.name}: the result is not a finite number", span) from None
    return arithmetic.check_number(result, span) if is_number(result) else result


def target_names(target: ast.Target) -> list[str]:
    """The names a target binds."""
    if isinstance(target, ast.NameTarget):
        return [target.id]
    return [n for item in target.items for n in target_names(item)]


def target_setter(target: ast.Target) -> Callable[[ElabFrame, Any, Span], None]:
    """A function that binds a value to a target; raises Failure when it does not unpack."""
    if isinstance(target, ast.NameTarget):
        name = target.id

        def set_name(f: ElabFrame, value: Any, span: Span) -> None:
            f.vars[name] = value
            if name in f.spans:
                f.spans = {k: v for k, v in f.spans.items() if k != name}

        return set_name
    setters = [target_setter(item) for item in target.items]

    def set_tuple(f: ElabFrame, value: Any, span: Span) -> None:
        if not isinstance(value, list | tuple) or len(value) != len(setters):
            what = f"{len(value)} values" if isinstance(value, list | tuple) else show(value)
            raise fail("E0421", f"cannot unpack {what} into {len(setters)} names", span)
        for setter, item in zip(setters, value, strict=True):
            setter(f, item, span)

    return set_tuple


def special(name: str, signature: str, call: Callable[..., Any]) -> Special:
    """A builtin that needs the frame."""
    return Special(name, call, signature)


def _sum(f: ElabFrame, args: list[tuple[str | None, Any, Span]], span: Span) -> Any:
    """Sum of numbers, or of tensors (one `add` node; a single tensor is itself)."""
    values = [v for _, v, _ in args]
    items = list(values[0]) if len(values) == 1 and isinstance(values[0], list | tuple | range) else values
    if any(isinstance(i, Tensor) for i in items):
        return items[0] if len(items) == 1 else tensor_call(f, "add", [items], {}, span)
    if not all(map(is_number, items)):
        raise fail("E0420", "sum needs numbers or tensors", span)
    f.run.spend(len(items) // 16, span)
    return arithmetic.check_number(sum(items), span)


SPECIALS: dict[str, Special] = {"sum": special("sum", "sum(list)", _sum)}

__all__ = ["BUILTINS", "SPECIALS", "Closure", "ExpressionCompiler", "Special", "key_of"]
