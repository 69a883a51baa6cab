"""What the code of arithmetic calls: checks of limits, and the fuel that the closures would spend."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Span
from archc.elaborate.arithmetic import MAX_INT, MAX_LIST
from archc.elaborate.weight import MAX_WEIGHT, weigh

if TYPE_CHECKING:
    from archc.elaborate.run import Run

LIMIT = float(MAX_INT)


class Bail(Exception):
    """The closures are to evaluate it."""


def check(value: Any) -> Any:
    if -LIMIT < value < LIMIT:
        return value
    raise Bail


def bail() -> None:
    raise Bail


def power(base: float, exponent: Any) -> float:
    if base > 0:
        found: float = base**exponent
        if found < LIMIT:
            return found
    raise Bail


def spend(run: Run, fuel: int) -> None:
    run.fuel -= fuel


def items(run: Run, values: Any, fuel: int) -> Any:
    """What a comprehension walks over; fuel: for each."""
    run.fuel -= fuel * len(values)
    if run.fuel < 0 or len(values) > MAX_LIST:
        raise Bail
    return values


def short(values: list[Any]) -> list[Any]:
    if len(values) > MAX_LIST:
        raise Bail
    return values


def part(run: Run, values: list[Any]) -> list[Any]:
    """A slice."""
    run.fuel -= len(values) // 32
    return values


def nested(run: Run, values: Any, span: Span) -> Any:
    if values:
        run.fuel -= weigh(values, span) // 4
    return values


def rows(run: Run, values: list[Any], weight: int) -> list[Any]:
    """As `nested`, for a list of tuples of scalars; weight: what each counts."""
    if weight * len(values) > MAX_WEIGHT:
        raise Bail
    run.fuel -= weight * len(values) // 4
    return values


def zipped(run: Run, lists: tuple[list[Any], ...], weights: list[int]) -> list[Any]:
    """`zip` of lists, an item of each counting so much."""
    count = len(lists[0])
    for values in lists:
        if len(values) != count:
            raise Bail
    run.fuel -= 2 + sum(weights) * count
    return rows(run, list(zip(*lists, strict=True)), 1 + sum(weights))


def weighed(run: Run, values: list[Any]) -> list[Any]:
    """A builtin's list of numbers."""
    run.fuel -= 2 + len(values)
    return values


def counted(run: Run, values: list[Any], item: Any) -> int:
    run.fuel -= 2 + len(values)
    return values.count(item)


def total(run: Run, values: list[Any]) -> Any:
    run.fuel -= 2 + len(values) // 8
    return check(sum(values))


SUPPORT: dict[str, Any] = {
    "Bail": Bail, "bail": bail, "ceil": math.ceil, "check": check, "counted": counted, "floor": math.floor, "items": items,
    "lcm": math.lcm, "log": math.log, "log2": math.log2, "nested": nested, "part": part, "power": power,
    "rows": rows, "short": short, "spend": spend, "sqrt": math.sqrt, "total": total, "weighed": weighed,
    "zipped": zipped,
}  # fmt: skip
"""The names that code may use beside those made for it and Python's own."""
