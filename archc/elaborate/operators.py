"""What operators, calls and attributes do when tensors and ops are among their operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from archc.diagnostics import Span
from archc.diagnostics.record import record
from archc.elaborate import arithmetic
from archc.elaborate.arithmetic import LIMITS, MAX_LIST, is_number, too_long
from archc.elaborate.builder import FAILED
from archc.elaborate.builtins import MOVE_ITEMS, UNARY, BadArgument
from archc.elaborate.foreign import keyword_help
from archc.elaborate.frame import ElabFrame
from archc.elaborate.signature import primitive
from archc.elaborate.values import (
    IDENTITY,
    MISSING,
    Composition,
    Failure,
    Function,
    OpValue,
    Step,
    Tensor,
    a_type,
    fail,
    is_op,
    show,
    show_shape,
    tensors_in,
)
from archc.elaborate.weight import HOLDERS, weigh
from archc.ops.symbolic import Symbol, Untraceable
from archc.syntax import ast


class Special(Function):
    """A builtin that needs the frame: called with (frame, args, span)."""

    __slots__ = ()


@record(eq=False)
class Lambda(Special):
    """An `fn`. definition, compiler: its own, where it is closed over nothing. direct: called with (frame, values, span)
    for arguments given by position; MISSING where those are not as many as the parameters, or hold tensors."""

    direct: Callable[..., Any] = lambda f, values, span: MISSING
    definition: ast.FnDef | None = None
    compiler: Any = None


def attribute(value: Tensor, name: str, span: Span) -> Any:
    """What `.` finds on a tensor; raises Failure."""
    shape = value.shape
    if name == "std":
        variance = value.body.variance(value.ref)
        if value.tainted or variance == FAILED:
            raise Failure
        if isinstance(variance, str):
            raise fail(
                "E0511", f"the standard deviation is unknown here: `{variance}` has no variance rule", span,
                "asked for here",
                ("use variance-preserving ops (ws_conv, activations with gamma = true) or assert it: with_std(y, 1)",),
            )  # fmt: skip
        return variance**0.5
    if name == "shape":
        return shape
    if name == "channels" or name == "features":
        return shape[0]
    if name in ("height", "width") and len(shape) == 3:
        return shape[1 if name == "height" else 2]
    if name in _ATTRIBUTES:
        raise fail(
            "E0413", f"{show(value)} has no {name}", span, f"its shape is {show_shape(shape)}",
            ("ask before pooling or flattening, or keep the map: global_avg_pool(keepdim = true)",),
        )  # fmt: skip
    help = keyword_help(name, _ATTRIBUTES) or (f"a tensor has: {', '.join(_ATTRIBUTES)}",)
    raise fail("E0413", f"a tensor has no attribute `{name}`", span, f"this is {show(value)}", help)


_ATTRIBUTES = ("channels", "height", "width", "shape", "std")


def no_attribute(value: Any, name: str, span: Span) -> Failure:
    """The Failure for `.name` on what has no attributes."""
    help: tuple[str, ...] = ()
    if isinstance(value, list):
        help = ("lists grow by `xs += [y]`; `len(xs)` counts",)
    elif is_op(value):
        help = ("an op has no shape before it is applied: `(x -> f).channels`",)
    return fail("E0413", f"{a_type(value)} has no attribute `{name}`", span, f"this is {show(value)}", help)


def count(items: Sequence[Any]) -> str:
    """`1 item`, `3 items`."""
    return f"{len(items)} item{'s' if len(items) != 1 else ''}"


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


MAX_STEPS = 20_000


def compose(f: ElabFrame, found: tuple[Step, ...], span: Span) -> Composition:
    """A composition of at most MAX_STEPS steps; raises Failure beyond."""
    if len(found) > MAX_STEPS:
        raise fail(
            "E0905", f"a composition of more than {MAX_STEPS:,} ops", span, "too long",
            ("a graph holds at most 20,000 nodes",),
        )  # fmt: skip
    made = Composition(found)
    f.run.spend(2 + weigh(made, span) // 8, span)
    return made


def repeat(f: ElabFrame, a: Any, b: Any, span: Span, left_hint: str, right_hint: str, at: Span) -> Any:
    """`3 * f`."""
    times, op, hint = (a, b, right_hint) if is_op(b) else (b, a, left_hint)
    if isinstance(times, float) and times.is_integer():
        times = int(times)
    if type(times) is not int or not is_op(op) or times < 0:
        raise fail(
            "E0410", f"`*` does not take {a_type(a)} and {a_type(b)}", span, f"{show(a)} * {show(b)}",
            ("an op is repeated by a whole number from 0 up: `3 * f`",),
        )  # fmt: skip
    f.run.spend(times, span)
    if times == 0:
        return IDENTITY
    found = steps(op, hint, at)
    if len(found) * times > MAX_STEPS:
        raise fail(
            "E0905", f"{times:,} repetitions make more than {MAX_STEPS:,} steps", span, "too many",
            ("a graph holds at most 20,000 nodes",),
        )  # fmt: skip
    return compose(f, found * times, span)


def tensor_call(f: ElabFrame, name: str, tensors: list[Any], args: dict[str, Any], span: Span) -> Any:
    """A primitive applied by an operator."""
    target = primitive(name)
    assert target is not None  # one of those named in this file
    value = OpValue(target, args, {}, None, span)
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
            "E0410", f"`{op}` does not take two tensors", span, f"{show(a)} {op} {show(b)}",
            ("tensors add, subtract and multiply",),
        )  # fmt: skip
    tensor, other = (a, b) if type(a) is Tensor else (b, a)
    if is_number(other):
        if op == "*":
            factor = other.as_float() if type(other) is Symbol else float(other)
            return tensor_call(f, "scale", [tensor], {"factor": factor}, span)
        if op == "/" and tensor is a:
            if other == 0:
                raise fail("E0411", "division by zero", span, "the divisor is 0")
            return tensor_call(f, "scale", [tensor], {"factor": 1 / other}, span)
    help = "tensors add to tensors; a number only scales one: `0.5 * x`, `x / 2`"
    if is_op(other):
        help = "parenthesise the pipe: `->` binds looser than operators, so write `a + (x -> f)`"
    raise fail(
        "E0410",
        f"`{op}` does not take {a_type(a)} and {a_type(b)}",
        span,
        f"{show(a)} {op} {show(b)}",
        (help,),
    )


def truth(value: Any, span: Span) -> bool:
    """A condition; only bools are."""
    if value is True or value is False:
        return value
    text = span.text if len(span.text) <= 40 else "…"
    help = "compare it with something: `==`, `<`, `in`"
    if is_number(value):
        help = f"compare it: `{text} != 0`"
    elif isinstance(value, list | tuple | range | str):
        help = f"compare it: `len({text}) > 0`"
    elif isinstance(value, Tensor):
        help = "its elements are not known before the network runs; its shape is: `x.channels == 64`"
    raise fail(
        "E0418", f"a condition must be a bool, not {show(value)}", span, f"this is {a_type(value)}", (help,)
    )


def bounded(value: Any, f: ElabFrame, span: Span) -> Any:
    """A new list or tuple, once its nesting and size are known to be within the limits; raises Failure."""
    for item in value:
        if type(item) in HOLDERS:
            f.run.spend(weigh(value, span) // 4, span)
            break
    return value


def iterate(value: Any, span: Span) -> Any:
    """What `for` and comprehensions walk over."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, range):
        if len(value) > MAX_LIST:
            raise fail(
                "E0904", too_long(len(value)), span, f"at most {MAX_LIST:,}",
                ("no network needs so many turns: check the bounds",),
            )  # fmt: skip
        return value
    text = span.text if len(span.text) <= 40 else "n"
    help = "lists, tuples and ranges are walked over: `[a, b]`, `0..n`"
    if type(value) is int:
        help = f"write `0..{text}`"
    elif type(value) is str:
        help = f"{help}; the characters of a string are `s[i] for i in 0..len(s)`"
    raise fail("E0419", f"cannot iterate over {show(value)}", span, f"this is {a_type(value)}", (help,))


def call_function(
    f: ElabFrame, function: Function, args: list[tuple[str | None, Any, Span]], span: Span
) -> Any:
    """A builtin on plain values; raises Failure."""
    for _, value, at in args:
        if tensors_in(value) and (type(value) is Tensor or function.name not in MOVE_ITEMS):
            help = ("sizes are attributes: `x.channels`, `x.height`, `x.width`",)
            raise fail(
                "E0405",
                f"{function.name} takes numbers and lists, not {show(value)}",
                at,
                "this is a tensor",
                help,
            )
        if type(value) is list or type(value) is tuple:
            f.run.spend(weigh(value, span), span)
        elif isinstance(value, range):
            f.run.spend(min(len(value), MAX_LIST + 1) // 8, span)
    values = [v for n, v, _ in args if n is None]
    named = {n: v for n, v, _ in args if n is not None}
    if Symbol in [type(v) for _, v, _ in args]:
        return arithmetic.check_number(_of_symbols(function, values, named), span)
    try:
        result = function.call(*values, **named)
    except BadArgument as error:
        declared = (f"it is declared as {function.signature}",)
        raise fail("E0420", str(error), span, "", declared) from None
    except TypeError:
        declared = (f"it is declared as {function.signature}",)
        raise fail("E0402", f"{function.name} does not take these arguments", span, "", declared) from None
    except (ValueError, OverflowError):
        raise fail(
            "E0412", f"{function.name}: the result is not a finite number", span, "too large", (LIMITS,)
        ) from None
    if isinstance(result, list):
        return bounded(result, f, span)
    return arithmetic.check_number(result, span) if is_number(result) else result


_NUMERIC = {"abs", "ceil", "float", "floor", "int", "lcm", "log", "log2", "make_divisible", "round", "sqrt"}
"""Builtins from numbers to a number, whose type does not hang on theirs, or (`abs`) is theirs."""


def _of_symbols(function: Function, values: list[Any], named: dict[str, Any]) -> Any:
    """A builtin on symbols: called again by the formula where it is a function of numbers."""
    symbol = next(v for v in (*values, *named.values()) if type(v) is Symbol)
    if function.name in ("max", "min") and len(values) > 1 and not named:
        kinds = {v.whole if type(v) is Symbol else type(v) is int for v in values}
        if len(kinds) > 1:
            return function.call(*values)  # the type is that of the one that is found now: ask which it is
    elif function.name not in _NUMERIC:
        raise Untraceable
    if not named:
        plain = UNARY.get(function.name) if len(values) == 1 else {"max": max, "min": min}.get(function.name)
        return symbol.trace.call((function, len(values)), plain or function.call, tuple(values))
    names, count = tuple(named), len(values)

    def call(*given: Any) -> Any:
        return function.call(*given[:count], **dict(zip(names, given[count:], strict=True)))

    return symbol.trace.call((function, names, count), call, (*values, *named.values()))


def special(name: str, signature: str, call: Callable[..., Any]) -> Special:
    """A builtin that needs the frame."""
    return Special(name, call, signature)


def _sum(f: ElabFrame, args: list[tuple[str | None, Any, Span]], span: Span) -> Any:
    """Sum of numbers, or of tensors (one `add` node; a single tensor is itself)."""
    values = [v for _, v, _ in args]
    items = (
        list(iterate(values[0], span))
        if len(values) == 1 and isinstance(values[0], list | tuple | range)
        else values
    )
    if any(isinstance(i, Tensor) for i in items):
        return items[0] if len(items) == 1 else tensor_call(f, "add", [items], {}, span)
    if not all(map(is_number, items)):
        raise fail("E0420", "sum needs numbers or tensors, all of one kind", span, f"sum of {show(items)}")
    f.run.spend(len(items) // 8, span)
    return arithmetic.check_number(sum(items), span)


SPECIALS: dict[str, Special] = {"sum": special("sum", "sum(list)", _sum)}
