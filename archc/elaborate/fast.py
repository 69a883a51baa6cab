"""Shortcuts where operands are plain numbers: drawing from a design space is arithmetic, millions of times.

A shortcut reports nothing. Where it cannot tell that the general way would succeed, it leaves the values at hand
to that.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.arithmetic import MAX_INT
from archc.elaborate.builtins import BadArgument
from archc.elaborate.frame import ElabFrame
from archc.elaborate.operators import bounded, iterate
from archc.elaborate.values import MISSING, Function

Closure = Callable[[ElabFrame], Any]
General = Callable[[ElabFrame, Any, Any], Any]

LIMIT = float(MAX_INT)
_TOTAL = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_DIVIDING = {"/": operator.truediv, "//": operator.floordiv, "%": operator.mod}


def binary(op: str, left: Closure, right: Closure, general: General) -> Closure:
    """`left op right` as a closure; `general` does what is not a bounded result of two numbers."""
    if op in _TOTAL:
        return _total(_TOTAL[op], left, right, general)
    if op in _DIVIDING:
        return _dividing(_DIVIDING[op], left, right, general)
    return _power(left, right, general)


def _total(compute: Callable[[Any, Any], Any], left: Closure, right: Closure, general: General) -> Closure:
    def apply(f: ElabFrame) -> Any:
        a, b = left(f), right(f)
        of_a, of_b = type(a), type(b)
        if (of_a is int or of_a is float) and (of_b is int or of_b is float):
            found = compute(a, b)
            if -LIMIT < found < LIMIT:
                return found
        return general(f, a, b)

    return apply


def _dividing(compute: Callable[[Any, Any], Any], left: Closure, right: Closure, general: General) -> Closure:
    def apply(f: ElabFrame) -> Any:
        a, b = left(f), right(f)
        of_a, of_b = type(a), type(b)
        if (of_a is int or of_a is float) and (of_b is int or of_b is float) and b:
            found = compute(a, b)
            if -LIMIT < found < LIMIT:
                return found
        return general(f, a, b)

    return apply


def _power(left: Closure, right: Closure, general: General) -> Closure:
    def apply(f: ElabFrame) -> Any:
        a, b = left(f), right(f)
        if type(a) is float and a > 0 and (type(b) is int or type(b) is float):
            try:
                found = a**b
            except OverflowError:
                return general(f, a, b)
            if found < LIMIT:
                return found
        return general(f, a, b)

    return apply


_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(
    op: str, left: Closure, right: Closure, general: Callable[[ElabFrame, Any, Any], bool]
) -> Closure:
    """`left op right` as a closure; `general` compares what are not two numbers."""
    compute = _COMPARE.get(op)
    if compute is None:
        return lambda f: general(f, left(f), right(f))

    def apply(f: ElabFrame) -> Any:
        a, b = left(f), right(f)
        of_a, of_b = type(a), type(b)
        if (of_a is int or of_a is float) and (of_b is int or of_b is float):
            return compute(a, b)
        return general(f, a, b)

    return apply


def call(function: Function, values: list[Any]) -> Any:
    """A builtin on numbers; MISSING where the general way must be taken."""
    for value in values:
        if type(value) is not int and type(value) is not float:
            return MISSING
    try:
        found = function.call(*values)
    except (BadArgument, TypeError, ValueError, OverflowError):
        return MISSING
    if (type(found) is int or type(found) is float) and -LIMIT < found < LIMIT:
        return found
    return MISSING


def comprehension(name: str, iterable: Closure, at: Span, element: Closure, span: Span) -> Closure:
    """`[element for name in iterable]`."""

    def mapped(f: ElabFrame) -> Any:
        items = iterate(iterable(f), at)
        f.run.spend(len(items), span)
        values, spans = f.vars, f.spans
        saved = values.get(name, MISSING)
        if name in spans:  # the caller's argument of that name is out of sight
            f.spans = {k: v for k, v in spans.items() if k != name}
        out = []
        try:
            for item in items:
                values[name] = item
                out.append(element(f))
        finally:
            f.spans = spans
            if saved is MISSING:
                values.pop(name, None)
            else:
                values[name] = saved
        return bounded(out, f, span)

    return mapped
