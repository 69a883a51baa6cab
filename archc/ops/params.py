"""Op parameters: declared as dataclass fields, validated from their annotations."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, get_args, get_origin

from archc.diagnostics import nearest
from archc.diagnostics.record import record
from archc.ops.symbolic import Symbol

Pair = tuple[int, int]
"""(height, width). Specs may write one int for both."""

MISSING: Any = dataclasses.MISSING


@record
class Parameter:
    """One parameter of an op, as callers see it. `hidden` ones are stored but cannot be passed in a spec."""

    name: str
    annotation: Any
    default: Any
    ambient: bool
    minimum: float | None
    below: float | None
    hidden: bool
    doc: str
    fit: Callable[[Any], Any]

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def type_name(self) -> str:
        return describe(self.annotation)


def param(
    default: Any = MISSING,
    *,
    ambient: bool = False,
    ge: float | None = None,
    lt: float | None = None,
    hidden: bool = False,
    doc: str = "",
) -> Any:
    """A field of an op.

    ambient: enclosing `set`s reach it. ge: smallest value allowed, per number. lt: every number must be
    smaller. hidden: filled in by the compiler, never by a caller.
    """
    return dataclasses.field(
        default=default, metadata={"ambient": ambient, "ge": ge, "lt": lt, "hidden": hidden, "doc": doc}
    )


@cache
def parameters_of(cls: Any) -> tuple[Parameter, ...]:
    """The parameters of an op class, in declaration order, hidden ones included."""
    hints = {f.name: _annotation(cls, f) for f in dataclasses.fields(cls)}
    return tuple(
        Parameter(
            f.name,
            hints[f.name],
            f.default,
            bool(f.metadata.get("ambient")),
            f.metadata.get("ge"),
            f.metadata.get("lt"),
            bool(f.metadata.get("hidden")),
            f.metadata.get("doc", ""),
            _fitter(hints[f.name]),
        )
        for f in dataclasses.fields(cls)
    )


def _annotation(cls: Any, field: dataclasses.Field[Any]) -> Any:
    """What a field's annotation says, as `get_type_hints`, which would also read those of the class variables."""
    home = next(c for c in cls.__mro__ if field.name in inspect.get_annotations(c))
    return _read_annotation(field.type, home.__module__) if isinstance(field.type, str) else field.type


@cache
def _read_annotation(text: str, module: str) -> Any:
    # text of this package: ops are its own, and no text of a spec comes here
    return eval(text, vars(sys.modules[module]))


def ambient_names(cls: Any) -> list[str]:
    """The parameters of an op class that enclosing `set`s reach."""
    return [f.name for f in dataclasses.fields(cls) if f.metadata.get("ambient")]


_TABLES: dict[Any, dict[str, Parameter]] = {}


def parameter_table(cls: Any) -> dict[str, Parameter]:
    """The parameters of an op class by name."""
    table = _TABLES.get(cls)
    if table is None:
        table = _TABLES[cls] = {p.name: p for p in parameters_of(cls)}
    return table


def describe(annotation: Any) -> str:
    """An annotation in the words of the language."""
    if annotation == Pair:
        return "int or (height, width)"
    if annotation is type(None):
        return "none"
    origin, options = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f'"{a}"' for a in options)
    if origin is tuple:
        return "tuple of " + ", ".join(describe(a) for a in options if a is not ...)
    if options:  # a Pair already says that an int will do
        return " or ".join(describe(a) for a in options if not (a is int and Pair in options))
    return {int: "int", float: "float", bool: "bool", str: "string"}.get(annotation, str(annotation))


def coerce(op: str, parameter: Parameter, value: Any) -> Any:
    """`value` as the parameter's annotation wants it: integral floats become ints, ints become floats,
    one int becomes a Pair. Raises OpError naming the parameter."""
    from archc.ops.base import OpError

    found = parameter.fit(value)
    if found is _NO:
        raise OpError(
            "E0304",
            f"{op}: `{parameter.name}` must be {parameter.type_name}, not {brief(value)}",
            argument=parameter.name,
            label=f"expected {parameter.type_name}",
            help=_type_help(parameter, value),
        )
    if parameter.minimum is None and parameter.below is None:
        return found
    numbers: Any = found if isinstance(found, tuple) else (found,)
    for number in numbers:
        if not isinstance(number, int | float | Symbol):
            continue
        if parameter.minimum is not None and number < parameter.minimum:
            raise OpError(
                "E0305",
                f"{op}: `{parameter.name}` must be at least {parameter.minimum:g}, not {brief(value)}",
                argument=parameter.name,
                label=f"smaller than {parameter.minimum:g}",
            )
        if parameter.below is not None and number >= parameter.below:
            raise OpError(
                "E0306",
                f"{op}: `{parameter.name}` must be below {parameter.below:g}, not {brief(value)}",
                argument=parameter.name,
                label=f"not below {parameter.below:g}",
            )
    return found


def _type_help(parameter: Parameter, value: Any) -> tuple[str, ...]:
    if isinstance(value, float) and "int" in parameter.type_name:
        return (ROUND,)
    if isinstance(value, str):
        meant = nearest(value, re.findall('"(.*?)"', parameter.type_name))
        return (f'did you mean "{meant}"?',) if meant else ()
    return ()


ROUND = "round it: round(…), floor(…), ceil(…), or make_divisible(…, 8) for widths"
_NO = object()


def _fitter(annotation: Any) -> Callable[[Any], Any]:
    """The function that turns a value into what the annotation wants, or returns _NO."""
    origin, options = get_origin(annotation), get_args(annotation)
    if annotation == Pair:
        return _fit_pair
    if origin is Literal:
        return lambda value: value if isinstance(value, str) and value in options else _NO
    if origin is tuple:
        return _tuple_fitter(options)
    if origin in (typing.Union, types.UnionType):
        fitters = tuple(_fitter(option) for option in options)
        return lambda value: next((f for f in (fit(value) for fit in fitters) if f is not _NO), _NO)
    simple = {int: _fit_int, float: _fit_float, bool: _fit_bool, str: _fit_str, type(None): _fit_none}
    return simple[annotation]


def _fit_int(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is Symbol:
        return value.as_int()
    return int(value) if isinstance(value, float) and value.is_integer() else _NO


def _fit_float(value: Any) -> Any:
    if type(value) is Symbol:
        return value.as_float()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NO
    try:
        number = float(value)
    except OverflowError:
        return _NO
    return number if math.isfinite(number) else _NO


def _fit_bool(value: Any) -> Any:
    return value if isinstance(value, bool) else _NO


def _fit_str(value: Any) -> Any:
    return value if isinstance(value, str) else _NO


def _fit_none(value: Any) -> Any:
    return value if value is None else _NO


def _fit_pair(value: Any) -> Any:
    if isinstance(value, tuple | list):
        if len(value) != 2:
            return _NO
        height, width = _fit_int(value[0]), _fit_int(value[1])
        return _NO if height is _NO or width is _NO else (height, width)
    one = _fit_int(value)
    return _NO if one is _NO else (one, one)


def _tuple_fitter(items: tuple[Any, ...]) -> Callable[[Any], Any]:
    repeated = len(items) == 2 and items[1] is ...
    fitters = tuple(_fitter(item) for item in items if item is not ...)

    def fit(value: Any) -> Any:
        if not isinstance(value, tuple | list) or not (repeated or len(value) == len(fitters)):
            return _NO
        each = fitters * len(value) if repeated else fitters
        found = tuple(f(v) for f, v in zip(each, value, strict=True))
        return _NO if any(f is _NO for f in found) else found

    return fit


def brief(value: Any) -> str:
    """A value in the words of the language, cut short for a message."""
    text = show(value)
    return text if len(text) <= 80 else text[:79] + "…"


def show(value: Any) -> str:
    """A value in the words of the language."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(show, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, float):
        return f"{value:g}" if value == float(f"{value:g}") else repr(value)
    if isinstance(value, range):
        return f"{value.start}..{value.stop}"
    return str(value)
