"""`int in 8..=256 step 8 log` and its like, evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.arithmetic import equal, is_number
from archc.elaborate.choosers import DomainValues, PowerOfTwoOrLog, RangeValues, SetValues
from archc.elaborate.values import a_type, fail, show
from archc.syntax import ast

NAMES = ("low", "high", "step")
SMALLEST = 1e-300
"""The smallest step: how many there are in 1 must be a number."""
MOST = 2.0**53
"""Values a domain may have: as many as random numbers can tell apart."""


def domain_values(param: ast.Param, evaluate: Callable[[ast.Expr], Any]) -> DomainValues:
    """The values a parameter's domain allows; raises Failure when it makes no sense."""
    domain = param.domain
    if isinstance(domain, ast.SetDomain):
        items = tuple(evaluate(item) for item in domain.items)
        if not items:
            raise fail("E0510", f"the domain of `{param.name}` is empty", domain.span, "no members")
        for i, item in enumerate(items):
            if any(equal(item, other) for other in items[:i]):
                raise fail(
                    "E0510", f"the domain of `{param.name}` holds {show(item)} twice", domain.items[i].span,
                    "the second", ("each member is as likely: list it once",),
                )  # fmt: skip
        return SetValues(items)
    whole = param.type is not None and param.type.name == "int"
    if isinstance(domain, ast.RangeDomain):
        return _range(param, domain, evaluate, whole)
    assert isinstance(domain, ast.CallDomain)  # the three kinds there are
    return _named(domain, evaluate)


def _range(
    param: ast.Param, domain: ast.RangeDomain, evaluate: Callable[[ast.Expr], Any], whole: bool
) -> RangeValues:
    low, high = evaluate(domain.range.start), evaluate(domain.range.stop)
    step = 1 if domain.step is None else evaluate(domain.step)
    for value in (low, high, step):
        if not is_number(value):
            raise fail(
                "E0510", f"the domain of `{param.name}` needs numbers, not {show(value)}", domain.span,
                f"this is {a_type(value)}", ("other values are listed: `in {relu, gelu}`",),
            )  # fmt: skip
    if whole:
        low, high, step = (_whole(param, domain, value) for value in (low, high, step))
    elif domain.step is None:
        step = (high - low) / 1e6 or 1
    if step <= 0 or not math.isfinite(high - low) or (domain.log and low <= 0):
        raise fail(
            "E0510", f"the domain of `{param.name}` makes no sense", domain.span,
            "a step must be positive, and so must the start of a log range",
        )  # fmt: skip
    if step < SMALLEST or (high - low) / step > MOST:
        raise fail(
            "E0510", f"the domain of `{param.name}` has too many values", domain.span,
            f"{show(step)} apart", ("give a larger step: `in 0.0..=1.0 step 0.01`",),
        )  # fmt: skip
    if not domain.range.inclusive:
        # the last of low, low + step, … that is below
        high = high - step if domain.log else low + (math.ceil((high - low) / step - 1e-9) - 1) * step
    if high < low:
        raise fail(
            "E0510", f"the domain of `{param.name}` is empty", domain.span,
            "no value lies between the two", ("a range goes from low to high; `a..b` leaves out b",),
        )  # fmt: skip
    return RangeValues(low, high, step, domain.log, whole)


def _whole(param: ast.Param, domain: ast.RangeDomain, value: Any) -> int:
    """A bound or a step of an int's domain; raises Failure."""
    if int(value) != value:
        raise fail(
            "E0510", f"`{param.name}` is an int: its domain cannot have {show(value)}", domain.span,
            "bounds and steps are whole", ("declare it a float, or round the bounds",),
        )  # fmt: skip
    return int(value)


def _named(domain: ast.CallDomain, evaluate: Callable[[ast.Expr], Any]) -> DomainValues:
    call = domain.call
    name = call.function.id if isinstance(call.function, ast.Name) else ""
    if name != "pow2_or_log":
        raise fail(
            "E0510", "there is no distribution of that name", call.span, "unknown", ("the one there is: pow2_or_log(low, high, step = 8)",),
        )  # fmt: skip
    given: dict[str, Any] = {}
    for position, arg in enumerate(call.args):
        key = arg.name or NAMES[min(position, 2)]
        if key in given:
            raise fail("E0510", f"pow2_or_log: `{key}` is given twice", arg.span, "the second")
        given[key] = evaluate(arg.value)
    values = {"step": 1, **given}
    if set(values) != set(NAMES) or not all(_power(v, call.span) for v in values.values()):
        raise fail(
            "E0510", "pow2_or_log takes (low, high, step), all powers of two", call.span, "",
            ("write `pow2_or_log(8, 128, step = 8)`",),
        )  # fmt: skip
    if values["low"] > values["high"]:
        raise fail("E0510", "pow2_or_log: low is above high", call.span, "empty", ("low comes first",))
    return PowerOfTwoOrLog(values["low"], values["high"], values["step"])


def _power(value: Any, span: Span) -> bool:
    return type(value) is int and value > 0 and value & (value - 1) == 0
