"""`int in 8..=256 step 8 log` and its like, evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.arithmetic import is_number
from archc.elaborate.choosers import DomainValues, PowerOfTwoOrLog, RangeValues, SetValues
from archc.elaborate.values import a_type, fail, show
from archc.syntax import ast


def domain_values(param: ast.Param, evaluate: Callable[[ast.Expr], Any]) -> DomainValues:
    """The values a parameter's domain allows; raises Failure when it makes no sense."""
    domain = param.domain
    if isinstance(domain, ast.SetDomain):
        items = tuple(evaluate(item) for item in domain.items)
        if not items:
            raise fail("E0510", f"the domain of `{param.name}` is empty", domain.span, "no members")
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
    if domain.step is None and not whole:
        step = (high - low) / 1e6 or 1
    if step <= 0 or not math.isfinite(high - low) or (domain.log and low <= 0):
        raise fail(
            "E0510", f"the domain of `{param.name}` makes no sense", domain.span,
            "a step must be positive, and so must the start of a log range",
        )  # fmt: skip
    if not domain.range.inclusive:
        high = high - step
    if high < low:
        raise fail(
            "E0510", f"the domain of `{param.name}` is empty", domain.span,
            "no value lies between the two", ("a range goes from low to high; `a..b` leaves out b",),
        )  # fmt: skip
    return RangeValues(low, high, step, domain.log, whole)


def _named(domain: ast.CallDomain, evaluate: Callable[[ast.Expr], Any]) -> DomainValues:
    call = domain.call
    name = call.function.id if isinstance(call.function, ast.Name) else ""
    if name != "pow2_or_log":
        raise fail(
            "E0510", "there is no distribution of that name", call.span, "unknown", ("the one there is: pow2_or_log(low, high, step = 8)",),
        )  # fmt: skip
    values: dict[str, Any] = {"step": 1}
    for position, arg in enumerate(call.args):
        key = arg.name or ("low", "high", "step")[min(position, 2)]
        values[key] = evaluate(arg.value)
    if set(values) != {"low", "high", "step"} or not all(_power(v, call.span) for v in values.values()):
        raise fail(
            "E0510", "pow2_or_log takes (low, high, step), all powers of two", call.span, "",
            ("write `pow2_or_log(8, 128, step = 8)`",),
        )  # fmt: skip
    if values["low"] > values["high"]:
        raise fail("E0510", "pow2_or_log: low is above high", call.span, "empty", ("low comes first",))
    return PowerOfTwoOrLog(values["low"], values["high"], values["step"])


def _power(value: Any, span: Span) -> bool:
    return type(value) is int and value > 0 and value & (value - 1) == 0
