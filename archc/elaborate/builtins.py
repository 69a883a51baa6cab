"""Builtin functions: of numbers, strings and lists. Those that make nodes live in `operators`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from archc.elaborate.arithmetic import MAX_LIST, equal, is_number, too_long
from archc.elaborate.values import Function, key_of, show, type_name


class BadArgument(ValueError):
    """A builtin refused its arguments; carries the message and an optional hint."""


def _number(name: str, value: Any) -> Any:
    if not is_number(value):
        raise BadArgument(f"{name} needs a number, not {show(value)}")
    return value


def _items(name: str, value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, range):
        if len(value) > MAX_LIST:
            raise BadArgument(f"{name}: {too_long(len(value))} (at most {MAX_LIST:,})")
        return list(value)
    raise BadArgument(f"{name} needs a list, not {type_name(value)}")


def _extreme(name: str, pick: Callable[..., Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        items = _items(name, values[0]) if len(values) == 1 else list(values)
        if not items:
            raise BadArgument(f"{name} of an empty list")
        return pick(_number(name, v) for v in items)

    return call


def _round(value: Any, digits: Any = None) -> Any:
    """Half to even, like Python and pycls."""
    _number("round", value)
    if digits is None:
        return round(value)
    if type(digits) is not int or not -30 <= digits <= 30:
        raise BadArgument("round: digits must be an int between -30 and 30")
    return round(value, digits)


def _log(value: Any, base: Any = None) -> float:
    if _number("log", value) <= 0:
        raise BadArgument(f"log of {show(value)}: only positive numbers have one")
    if base is None:
        return math.log(value)
    if _number("log", base) <= 0 or base == 1:
        raise BadArgument(f"log to base {show(base)}")
    return math.log(value) / math.log(base)


def _log2(value: Any) -> float:
    if _number("log2", value) <= 0:
        raise BadArgument(f"log2 of {show(value)}: only positive numbers have one")
    return math.log2(value)


def _sqrt(value: Any) -> float:
    if _number("sqrt", value) < 0:
        raise BadArgument(f"sqrt of {show(value)}: only numbers from 0 up have one")
    return math.sqrt(value)


def _lcm(*values: Any) -> int:
    whole = []
    for value in values:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise BadArgument(f"lcm needs integers, not {show(value)}")
        whole.append(value)
    return math.lcm(*whole)


def make_divisible(value: Any, divisor: Any = 8, min: Any = None, limit: Any = 0.9) -> int:
    """Nearest multiple of `divisor`, at least `min`, never below `limit` times the value.

    The rounding rule of MobileNet and EfficientNet: max(min, int(v + d/2) // d * d), plus d where that
    is below limit · v. timm's squeeze-excite uses limit 0.
    """
    _number("make_divisible", value)
    if type(divisor) is not int or divisor < 1:
        raise BadArgument(f"make_divisible: the divisor must be a positive int, not {show(divisor)}")
    floor = divisor if min is None else _number("make_divisible", min)
    rounded = max(floor, int(value + divisor / 2) // divisor * divisor)
    if rounded < _number("make_divisible", limit) * value:
        rounded += divisor
    return int(rounded)


def _range(start: Any, stop: Any = None, step: Any = 1) -> list[int]:
    if stop is None:
        start, stop = 0, start
    for value in (start, stop, step):
        if type(value) is not int:
            raise BadArgument(f"range needs integers, not {show(value)}")
    if step == 0:
        raise BadArgument("range: the step must not be 0")
    return _items("range", range(start, stop, step))


def _zip(*lists: Any) -> list[Any]:
    items = [_items("zip", v) for v in lists]
    lengths = {len(i) for i in items}
    if len(lengths) > 1:
        raise BadArgument(f"zip: the lists differ in length: {', '.join(str(len(i)) for i in items)}")
    return list(zip(*items, strict=True))


def _enumerate(value: Any, start: Any = 0) -> list[Any]:
    if type(start) is not int:
        raise BadArgument("enumerate: the start must be an int")
    return list(enumerate(_items("enumerate", value), start))


def _sorted(value: Any, reverse: Any = False) -> list[Any]:
    items = _items("sorted", value)
    if not (all(map(is_number, items)) or all(isinstance(i, str) for i in items)):
        raise BadArgument("sorted needs a list of numbers, or one of strings")
    return sorted(items, reverse=bool(reverse))


def _unique(value: Any) -> list[Any]:
    """Distinct items in order of first appearance."""
    items = _items("unique", value)
    if set(map(type, items)) == {int}:
        return list(dict.fromkeys(items))
    found: dict[Any, Any] = {}
    for item in items:
        found.setdefault(key_of(item), item)
    return list(found.values())


def _count(value: Any, item: Any) -> int:
    items = _items("count", value)
    if is_number(item) and set(map(type, items)) <= {int, float}:
        return items.count(item)
    return sum(equal(v, item) for v in items)


def _flatten(value: Any) -> list[Any]:
    out: list[Any] = []
    for item in _items("flatten", value):
        if isinstance(item, list | tuple):
            out.extend(item)
        else:
            out.append(item)
        if len(out) > MAX_LIST:
            raise BadArgument(f"flatten: more than {MAX_LIST:,} items")
    return out


def _truth(name: str, value: Any) -> list[bool]:
    items = _items(name, value)
    for item in items:
        if not isinstance(item, bool):
            raise BadArgument(f"{name} needs a list of bools; {show(item)} is not one")
    return items


def _abs(value: Any) -> Any:
    return abs(_number("abs", value))


def _int(value: Any) -> int:
    """Towards zero."""
    return int(_number("int", value))


def _float(value: Any) -> float:
    return float(_number("float", value))


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(_items("len", value))


def _reversed(value: Any) -> list[Any]:
    return _items("reversed", value)[::-1]


_TABLE: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("abs", "abs(value)", _abs),
    ("all", "all(bools)", lambda value: all(_truth("all", value))),
    ("any", "any(bools)", lambda value: any(_truth("any", value))),
    ("ceil", "ceil(value)", lambda value: math.ceil(_number("ceil", value))),
    ("count", "count(list, item)", _count),
    ("enumerate", "enumerate(list, start = 0)", _enumerate),
    ("flatten_list", "flatten_list(lists)", _flatten),
    ("float", "float(value)", _float),
    ("floor", "floor(value)", lambda value: math.floor(_number("floor", value))),
    ("int", "int(value)", _int),
    ("lcm", "lcm(a, b, …)", _lcm),
    ("len", "len(list)", _len),
    ("log", "log(value, base = e)", _log),
    ("log2", "log2(value)", _log2),
    ("make_divisible", "make_divisible(value, divisor = 8, min = divisor, limit = 0.9)", make_divisible),
    ("max", "max(a, b, …) or max(list)", _extreme("max", max)),
    ("min", "min(a, b, …) or min(list)", _extreme("min", min)),
    ("range", "range(stop) or range(start, stop, step = 1)", _range),
    ("reversed", "reversed(list)", _reversed),
    ("round", "round(value, digits)", _round),
    ("sorted", "sorted(list, reverse = false)", _sorted),
    ("sqrt", "sqrt(value)", _sqrt),
    ("unique", "unique(list)", _unique),
    ("zip", "zip(list, list, …)", _zip),
)

UNARY: dict[str, Callable[[Any], Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "floor": math.floor,
    "int": int,
    "log": math.log,
    "log2": math.log2,
    "round": round,
    "sqrt": math.sqrt,
}
"""Builtins of one number, with an exception for what they do not take."""


MANY: dict[str, Callable[..., Any]] = {"lcm": math.lcm, "max": max, "min": min}
"""Builtins of several numbers."""

MOVE_ITEMS = {"enumerate", "flatten_list", "len", "reversed", "zip"}
"""Builtins that look at no item, so that tensors may be among them."""

BUILTINS: dict[str, Function] = {name: Function(name, call, signature) for name, signature, call in _TABLE}
FLATTEN = BUILTINS.pop("flatten_list")
"""`flatten(list)`; on tensors the name means the op, so `run` chooses by the argument."""
