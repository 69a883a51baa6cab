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
from archc.elaborate.builtins import MANY, UNARY
from archc.elaborate.frame import ElabFrame, effort
from archc.elaborate.operators import Lambda, bounded, iterate
from archc.elaborate.values import MISSING, Function

Closure = Callable[[ElabFrame], Any]
General = Callable[[ElabFrame, Any, Any], Any]

LIMIT = float(MAX_INT)
_NUMBERS = {int, float}
_OPERATORS: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "+": (operator.add, False),
    "-": (operator.sub, False),
    "*": (operator.mul, False),
    "/": (operator.truediv, True),
    "//": (operator.floordiv, True),
    "%": (operator.mod, True),
}
"""Each with whether its right operand must not be 0."""


def binary(op: str, left: Closure, right: Closure, names: tuple[str, str], general: General) -> Closure:
    """`left op right` as a closure; `general` does what is not a bounded result of two numbers.

    names: of the local variables that the operands are, empty for other operands.
    """
    if op == "**":
        return _power(left, right, general)
    compute, divides = _OPERATORS[op]
    one, other = names

    def of_names(f: ElabFrame) -> Any:
        a, b = f.vars.get(one), f.vars.get(other)
        of_a, of_b = type(a), type(b)
        if (of_a is int or of_a is float) and (of_b is int or of_b is float) and (b or not divides):
            found = compute(a, b)
            if -LIMIT < found < LIMIT:
                return found
        return general(f, left(f), right(f))

    def of_name_and_value(f: ElabFrame) -> Any:
        a, b = f.vars.get(one), right(f)
        of_a, of_b = type(a), type(b)
        if (of_a is int or of_a is float) and (of_b is int or of_b is float) and (b or not divides):
            found = compute(a, b)
            if -LIMIT < found < LIMIT:
                return found
        return general(f, left(f), b)

    def of_value_and_name(f: ElabFrame) -> Any:
        a, b = left(f), f.vars.get(other)
        of_a, of_b = type(a), type(b)
        if (of_a is int or of_a is float) and (of_b is int or of_b is float) and (b or not divides):
            found = compute(a, b)
            if -LIMIT < found < LIMIT:
                return found
        return general(f, a, right(f))

    def of_values(f: ElabFrame) -> Any:
        a, b = left(f), right(f)
        of_a, of_b = type(a), type(b)
        if (of_a is int or of_a is float) and (of_b is int or of_b is float) and (b or not divides):
            found = compute(a, b)
            if -LIMIT < found < LIMIT:
                return found
        return general(f, a, b)

    if one:
        return of_names if other else of_name_and_value
    return of_value_and_name if other else of_values


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


def call(
    fixed: bool,
    function: Closure,
    arguments: list[Closure],
    general: Callable[[ElabFrame, Any, list[Any]], Any],
    span: Span,
) -> Closure:
    """A call by position as a closure; `general` calls what is not a builtin of numbers or an `fn`.

    fixed: the function is always the same, as its name is not a local one.
    """
    if len(arguments) == 1:
        return _call_of_one(fixed, function, arguments[0], general, span)

    def apply(f: ElabFrame) -> Any:
        target = function(f)
        values = [argument(f) for argument in arguments]
        if type(target) is Lambda:
            found = target.direct(f, values, span)
            if found is not MISSING:
                return found
        elif type(target) is Function and target.name in MANY and set(map(type, values)) <= _NUMBERS:
            f.run.spend(2, span)
            try:
                found = MANY[target.name](*values)
            except TypeError:  # lcm of a float
                return general(f, target, values)
            if -LIMIT < found < LIMIT:
                return found
        return general(f, target, values)

    return apply


def _call_of_one(
    fixed: bool,
    function: Closure,
    argument: Closure,
    general: Callable[[ElabFrame, Any, list[Any]], Any],
    span: Span,
) -> Closure:
    known: Any = None  # what was last called here
    compute: Callable[[Any], Any] | None = None

    def apply(f: ElabFrame) -> Any:
        nonlocal known, compute
        target = known if fixed and known is not None else function(f)
        value = argument(f)
        if target is not known:
            known = target
            compute = UNARY.get(target.name) if type(target) is Function else None
        if compute is not None and (type(value) is int or type(value) is float):
            run = f.run
            run.fuel -= 2
            if run.fuel < 0:
                run.spend(0, span)
            try:
                found = compute(value)
            except (ValueError, OverflowError):
                return general(f, target, [value])
            if -LIMIT < found < LIMIT:
                return found
        elif type(target) is Lambda:
            found = target.direct(f, [value], span)
            if found is not MISSING:
                return found
        return general(f, target, [value])

    return apply


def comprehension(name: str, iterable: Closure, at: Span, element: Closure, span: Span) -> Closure:
    """`[element for name in iterable]`."""
    turn = 1 + effort(span)

    def mapped(f: ElabFrame) -> Any:
        items = iterate(iterable(f), at)
        f.run.spend(turn * len(items), span)
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
