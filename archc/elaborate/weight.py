"""How much a value holds: limited where it is made, and paid for in fuel where all of it is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.values import Composition, Failure, Kept, Mixture, OpValue, fail

MAX_NESTING = 64
MAX_WEIGHT = 2**18


def weigh(value: Any, span: Span) -> int:
    """How many items a list holds, or an op, those of lists and ops within it counted wherever they occur.

    Raises Failure beyond MAX_WEIGHT, or where they are nested more than MAX_NESTING deep: everything else may walk
    through values freely.
    """
    known: dict[int, int] = {}

    def walk(items: Any, left: int) -> int:
        total = len(items)
        for item in items:
            if type(item) not in HOLDERS:
                continue
            weight = known.get(id(item))
            if weight is None:
                if left == 0:
                    raise _too_deep(item, span)
                weight = known[id(item)] = walk(_held(item), left - 1)
            total += weight
        if total > MAX_WEIGHT:
            what = "a list" if _is_list(value) else "an op"
            raise fail(
                "E0904", f"{what} may hold at most {MAX_WEIGHT:,} items, those of inner lists counted", span,
                "too large",
            )  # fmt: skip
        return total

    return walk(_held(value), MAX_NESTING - 1)


def reading(values: Iterable[Any], span: Span) -> int:
    """Fuel of looking at all that values hold; raises Failure as `weigh` does."""
    fuel = 0
    for value in values:
        if type(value) in HOLDERS and (type(value) is not OpValue or value.args):
            fuel += 1 + weigh(value, span)
    return fuel


HOLDERS = {list, tuple, OpValue, Composition, Mixture, Kept}


def _held(value: Any) -> Any:
    kind = type(value)
    if kind is OpValue:
        return value.args.values()
    if kind is Composition:
        return [step.op for step in value.steps]
    if kind is Mixture:
        return value.ops
    return value.items if kind is Kept else value


def _too_deep(value: Any, span: Span) -> Failure:
    if _is_list(value):
        what, help = "lists", "to append, add a list: `xs += [y]`"
    else:
        what, help = "ops", "no network needs so many: check the loop"
    return fail("E0908", f"{what} are nested more than {MAX_NESTING} deep", span, "one more here", (help,))


def _is_list(value: Any) -> bool:
    return type(value) is list or type(value) is tuple
