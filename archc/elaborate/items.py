"""Items and slices of lists, tuples, ranges and strings."""

from __future__ import annotations

from typing import Any

from archc.diagnostics import Span
from archc.elaborate.frame import ElabFrame
from archc.elaborate.keep import indexed
from archc.elaborate.operators import bounded, count
from archc.elaborate.values import Failure, Kept, Tensor, a_type, fail, show, type_name
from archc.ops.symbolic import Symbol


def item(f: ElabFrame, items: Any, i: Any, items_at: Span, at: Span) -> Any:
    """`items[i]`; raises Failure."""
    if isinstance(i, Kept) or isinstance(items, Kept):
        return indexed(f, items, i, at)
    if not isinstance(items, list | tuple | range | str):
        raise _no_items(items, "indexed", items_at)
    if type(i) is range:
        help = (f"a part of {a_type(items)} is a slice: `xs[{i.start}:{i.stop}]`",)
        raise fail("E0416", f"an index must be an int, not {show(i)}", at, "this is a range", help)
    i = _whole(i, "an index", at)
    if not -len(items) <= i < len(items):
        held = f"{len(items)} characters" if isinstance(items, str) else count(items)
        raise fail(
            "E0417", f"index {i} is out of range: the {type_name(items)} has {held}", at,
            f"this is {i}", ("indices count from 0; negative ones from the end",),
        )  # fmt: skip
    return items[i]


def part(
    f: ElabFrame, items: Any, start: tuple[Any, Span], stop: tuple[Any, Span], items_at: Span, span: Span
) -> Any:
    """`items[start:stop]`, bounds out of range cut off as Python does; None is a bound left out. Raises Failure."""
    for value in (items, start[0], stop[0]):
        if isinstance(value, Kept):
            raise value.refused()
    if not isinstance(items, list | tuple | range | str):
        raise _no_items(items, "sliced", items_at)
    low, high = [None if i is None else _whole(i, "a bound of a slice", at) for i, at in (start, stop)]
    found = items[low:high]
    f.run.spend(len(found) // 32, span)
    return bounded(found, f, span) if isinstance(found, list | tuple) else found


def _whole(i: Any, what: str, at: Span) -> int:
    if type(i) is Symbol:
        i = i.fixed()
    if isinstance(i, float) and i.is_integer():
        i = int(i)
    if type(i) is not int:
        raise fail("E0416", f"{what} must be an int, not {show(i)}", at, f"this is {a_type(i)}")
    return i


def _no_items(value: Any, done: str, at: Span) -> Failure:
    help = "only lists, tuples, ranges and strings have items"
    if isinstance(value, Tensor):
        help = "parts of the channels are `x -> slice_channels(start, stop)`"
    return fail("E0416", f"{a_type(value)} cannot be {done}", at, f"this is {show(value)}", (help,))
