"""What operators, calls and attributes do when tensors and ops are among their operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archc.diagnostics import Span, did_you_mean
from archc.elaborate import arithmetic
from archc.elaborate.arithmetic import MAX_LIST, is_number
from archc.elaborate.builtins import BadArgument
from archc.elaborate.frame import ElabFrame
from archc.elaborate.signature import primitives
from archc.elaborate.values import (
    IDENTITY,
    Composition,
    Function,
    OpValue,
    Step,
    Tensor,
    fail,
    is_op,
    show,
    show_shape,
    tensors_in,
    type_name,
)
from archc.syntax import ast


class Special(Function):
    """A builtin that needs the frame: called with (frame, args, span)."""

    __slots__ = ()


def attribute(value: Tensor, name: str, span: Span) -> Any:
    """What `.` finds on a tensor; raises Failure."""
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
        declared = (f"it is declared as {function.signature}",)
        raise fail("E0402", f"{function.name} does not take these arguments", span, help=declared) from None
    except (ValueError, OverflowError):
        raise fail("E0412", f"{function.name}: the result is not a finite number", span) from None
    return arithmetic.check_number(result, span) if is_number(result) else result


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
