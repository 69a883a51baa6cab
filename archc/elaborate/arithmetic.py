"""Operators on plain values, bounded before they are computed."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.values import Failure, a_type, fail, is_op, show, type_name
from archc.ops.symbolic import Symbol, Untraceable

MAX_INT = 2**63
MAX_LIST = 65_536


def too_long(size: int) -> str:
    """What is said of a range of more than MAX_LIST items."""
    return f"a range of {size:,} items is too long"


_SIMPLE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def is_number(value: Any) -> bool:
    """An int or a float, and not a bool; or a symbol for one."""
    kind = type(value)
    return kind is int or kind is float or kind is Symbol


def binary(op: str, left: Any, right: Any, span: Span) -> Any:
    """`left op right` on numbers, lists and strings; raises Failure."""
    if is_number(left) and is_number(right):
        return _numbers(op, left, right, span)
    if op == "+" and type(left) is type(right) and isinstance(left, list | tuple | str):
        if len(left) + len(right) > MAX_LIST:
            raise fail(
                "E0904", f"a {type_name(left)} may hold at most {MAX_LIST:,} items", span,
                f"this has {len(left) + len(right):,}",
            )  # fmt: skip
        return left + right
    help: tuple[str, ...] = ()
    if is_op(left) or is_op(right):
        help = ("parenthesise the pipe: `->` binds looser than operators, so write `a + (x -> f)`",)
    elif isinstance(left, str) or isinstance(right, str):
        help = ("strings only join strings",)
    elif isinstance(left, list | tuple | range):
        help = ("lists only join lists: `xs + [x]`",)
    raise fail(
        "E0410", f"`{op}` does not take {a_type(left)} and {a_type(right)}", span,
        f"{show(left)} {op} {show(right)}", help,
    )  # fmt: skip


def _numbers(op: str, left: Any, right: Any, span: Span) -> Any:
    if op == "**":
        _check_power(left, right, span)
    try:
        result = _SIMPLE[op](left, right)
    except ZeroDivisionError:
        raise fail("E0411", "division by zero", span, f"{show(left)} {op} 0") from None
    except (OverflowError, ValueError):
        raise too_large(f"{show(left)} {op} {show(right)} is too large", span) from None
    return check_number(result, span)


def check_number(value: Any, span: Span) -> Any:
    """A computed number, if it is within the limits; raises Failure."""
    if type(value) is int:
        if not -MAX_INT < value < MAX_INT:
            raise too_large("the result is too large", span)
        return value
    if type(value) is Symbol:
        if not value.within(MAX_INT):
            raise Untraceable  # other numbers may be larger: that is for them to say
        return value
    if isinstance(value, complex) or not math.isfinite(value):
        raise too_large("the result is not a finite real number", span)
    return value


LIMITS = "integers stay below 2^63, other numbers finite and real"


def too_large(message: str, span: Span) -> Failure:
    """The Failure for a number beyond the limits."""
    return fail("E0412", message, span, "computed here", (LIMITS,))


def _check_power(base: Any, exponent: Any, span: Span) -> None:
    if type(base) is int and type(exponent) is int and exponent >= 0 and abs(base) > 1:
        if exponent * (abs(base).bit_length() - 1) > 63:
            raise too_large(f"{show(base)} ** {show(exponent)} is too large", span)
    elif base == 0 and exponent < 0:
        raise fail("E0411", "division by zero: 0 to a negative power", span, f"0 ** {show(exponent)}")


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(op: str, left: Any, right: Any, span: Span) -> bool:
    """`left op right` for the comparison operators, `in` and `not in`; raises Failure."""
    if op in ("==", "!="):
        return equal(left, right) == (op == "==")
    if op in ("in", "not in"):
        if isinstance(right, range):
            inside = is_number(left) and left in right
        elif isinstance(right, Interval):
            inside = is_number(left) and right.contains(left)
        elif isinstance(right, list | tuple):
            inside = any(equal(left, item) for item in right)
        elif isinstance(right, str) and isinstance(left, str):
            inside = left in right
        else:
            raise fail(
                "E0410", f"`{op}` needs a list or a range on its right, not {a_type(right)}", span,
                f"{show(left)} {op} {show(right)}", ("such as `[1, 2, 4]` or `1..=4`",),
            )  # fmt: skip
        return inside == (op == "in")
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return _COMPARE[op](left, right)
    raise fail(
        "E0410", f"`{op}` does not compare {a_type(left)} with {a_type(right)}", span,
        f"{show(left)} {op} {show(right)}",
    )  # fmt: skip


class Interval:
    """`a..b` with bounds that are not both ints: usable with `in` only."""

    type_name = "range"

    def __init__(self, start: float, stop: float, inclusive: bool) -> None:
        self.start, self.stop, self.inclusive = start, stop, inclusive

    @property
    def key(self) -> Any:
        return ("interval", self.start, self.stop, self.inclusive)

    def __repr__(self) -> str:
        return f"{show(self.start)}..{'=' if self.inclusive else ''}{show(self.stop)}"

    def contains(self, value: float) -> bool:
        return self.start <= value and (value <= self.stop if self.inclusive else value < self.stop)


def interval(low: Any, high: Any, inclusive: bool, span: Span) -> Interval:
    """The Interval between two numbers; raises Failure for anything else."""
    if is_number(low) and is_number(high):
        return Interval(low, high, inclusive)
    raise fail(
        "E0410", f"a range needs numbers, not {show(low)} and {show(high)}", span,
        f"{a_type(low)} and {a_type(high)}",
    )  # fmt: skip


def equal(left: Any, right: Any) -> bool:
    """Equality; ops are equal when they are the same op with the same arguments."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is float or kind is str or kind is bool):
        return bool(left == right)
    if is_op(left) and is_op(right):
        return bool(left.key == right.key)
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, list | tuple) and type(left) is type(right):
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
    return (type_name(left) == type_name(right) and bool(left == right)) or (
        is_number(left) and is_number(right) and left == right
    )
