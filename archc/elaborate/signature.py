"""What can be called: primitives and blocks behind one signature, and how arguments bind to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from functools import cache
from typing import Any

from archc.diagnostics import Diagnostic, Span, listed, nearest
from archc.diagnostics.record import record
from archc.elaborate.arithmetic import MAX_LIST, too_long
from archc.elaborate.foreign import keyword_help, synonym
from archc.elaborate.values import (
    MISSING,
    Failure,
    Kept,
    Tensor,
    a_type,
    fail,
    is_op,
    show,
    tensors_in,
)
from archc.ops.base import Op, TensorParam
from archc.ops.params import ROUND, ambient_names, parameter_table
from archc.ops.params import show as show_plain
from archc.ops.registry import registry
from archc.ops.symbolic import Symbol
from archc.syntax import ast


@record
class SigParam:
    """A non-tensor parameter. `type` is None for op parameters (the op coerces its own).

    described: its type, and default: its default, in the words of the language.
    """

    name: str
    type: ast.TypeExpr | None
    ambient: bool
    required: bool
    described: str
    default: str = ""


@record(frozen=False, eq=False)
class Target:
    """Something callable on tensors. Identity is equality."""

    name: str
    tensors: tuple[TensorParam, ...]
    params: tuple[SigParam, ...]
    by_name: dict[str, SigParam] = field(init=False)
    tensor_names: frozenset[str] = field(init=False)
    ambients: tuple[str, ...] = field(init=False)
    many: bool = field(init=False)  # a list of tensors is among the parameters

    def __post_init__(self) -> None:
        self.by_name = {p.name: p for p in self.params}
        self.tensor_names = frozenset(t.name for t in self.tensors)
        self.ambients = tuple(p.name for p in self.params if p.ambient)
        self.many = any(t.many for t in self.tensors)

    def strides(self, args: dict[str, Any]) -> bool:
        """Whether a stage has to pass `stride = 1` after the first time, these arguments being given."""
        return args.get("stride", 1) != 1 and "stride" in self.by_name

    def signature(self) -> str:
        """`conv(x, channels, kernel = 1, …)` for messages."""
        parts = [t.name for t in self.tensors]
        parts += [p.name if p.required else f"{p.name} = {p.default or '…'}" for p in self.params]
        return f"{self.name}({', '.join(parts)})"


@record(frozen=False, eq=False)
class PrimitiveTarget(Target):
    cls: type[Op]


@record(frozen=False, eq=False)
class BlockTarget(Target):
    """`run` is the compiled body; `effort` the fuel of its defaults."""

    definition: ast.BlockDef
    defaults: dict[str, Callable[[Any], Any]]
    run: Callable[[Any], Any]
    effort: int

    def strides(self, args: dict[str, Any]) -> bool:
        stride = self.by_name.get("stride")
        if stride is None or "stride" in args:
            return stride is not None and args["stride"] != 1
        # a default may be another stride than 1, and so may what a `set` gives
        one = stride.default == "1" and not stride.ambient
        return stride.type is not None and stride.type.name == "int" and not one


@record(frozen=False, eq=False)
class StdTarget(Target):
    """`with_std(x, std)`: asserts a standard deviation, emits nothing."""


STD = StdTarget("with_std", (TensorParam("x"),), (SigParam("std", None, False, True, "a positive number"),))


def primitive_names() -> list[str]:
    """Every callable primitive, in the order its module and class are found."""
    return [name for name, cls in registry().items() if cls.written]


@cache
def primitive_ambients() -> frozenset[str]:
    """Ambient parameters that some primitive declares."""
    return frozenset(name for cls in registry().values() for name in ambient_names(cls))


@cache
def primitive(name: str) -> PrimitiveTarget | None:
    """A callable primitive by name. Its parameters are looked into once it is used: there are many ops."""
    cls = registry().get(name)
    return None if cls is None or not cls.written else target_of(cls)


def target_of(cls: type[Op]) -> PrimitiveTarget:
    """An op as what is called."""
    params = tuple(
        SigParam(
            p.name,
            None,
            p.ambient,
            p.required,
            p.type_name,
            "" if p.required or p.default is None else _shown_default(p.default),
        )
        for p in parameter_table(cls).values()
        if not p.hidden
    )
    return PrimitiveTarget(cls.name, cls.tensors, params, cls)


def _shown_default(value: Any) -> str:
    pair = isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]
    return show_plain(value[0] if pair else value)


def bind(
    target: Target,
    bound: dict[str, Any],
    positional: int,
    args: list[tuple[str | None, Any, Span]],
    span: Span,
) -> tuple[list[Any] | None, dict[str, Any], int]:
    """Bind call arguments on top of those already bound.

    Returns the tensor arguments (None when the call supplies none), the named ones, and how many were
    given by position. Raises Failure on too many, unknown, repeated or partly supplied arguments.
    """
    values = dict(bound)
    tensors: dict[str, Any] = {}
    given: set[str] = set()
    by_position = positional
    for name, value, at in args:
        if name is None:
            if by_position == positional and _is_next_tensor(target, tensors, value):
                _take_tensor(target, tensors, value)
                continue
            if by_position >= len(target.params):
                raise _too_many(target, at)
            name = target.params[by_position].name
            by_position += 1
        elif name in target.tensor_names:
            if name in tensors:
                raise given_twice(target.name, name, at)
            tensors[name] = value
            continue
        if name in given:
            raise given_twice(target.name, name, at)
        if name not in target.by_name:
            raise unknown_argument(target, name, at)
        given.add(name)
        if tensors_in(value):
            raise fail(
                "E0405", f"{target.name}: `{name}` takes {target.by_name[name].described}, not {show(value)}", at,
                "this is a tensor", (f"tensors come first: {target.signature()}",),
            )  # fmt: skip
        values[name] = value
    if not tensors:
        return None, values, by_position
    missing = [t.name for t in target.tensors if t.name not in tensors]
    if missing:
        raise fail(
            "E0404",
            f"{target.name}: some of its tensors are supplied, but not `{'`, `'.join(missing)}`",
            span,
            f"needs {len(target.tensors)} tensors",
            help=(f"supply all tensors or none of them: {target.signature()}",),
        )
    return [tensors[t.name] for t in target.tensors], values, by_position


def _is_next_tensor(target: Target, taken: dict[str, Any], value: Any) -> bool:
    """Whether a positional argument is the next tensor rather than the first other argument."""
    if len(taken) < len(target.tensors):
        return tensors_in(value) or (value == [] and target.tensors[len(taken)].many)
    return target.tensors[-1:] != () and target.tensors[-1].many and isinstance(value, Tensor)


def _take_tensor(target: Target, taken: dict[str, Any], value: Any) -> None:
    """Give the next tensor parameter its value; `concat(a, b)` collects into the last, list-taking one."""
    if len(taken) < len(target.tensors):
        taken[target.tensors[len(taken)].name] = value
        return
    last = target.tensors[-1].name
    have = taken[last]
    taken[last] = [*(have if isinstance(have, list) else [have]), value]


def _too_many(target: Target, at: Span) -> Failure:
    count = len(target.params)
    most = f"at most {count} argument{'s' if count != 1 else ''}" if count else "no arguments"
    return fail(
        "E0402",
        f"{target.name} takes {most} besides its tensors",
        at,
        "one too many",
        help=(f"it is declared as {target.signature()}",),
    )


def unknown_argument(target: Target, name: str, at: Span) -> Failure:
    """The Failure for a keyword no parameter has."""
    candidates = [*target.by_name, *target.tensor_names]
    return fail(
        "E0401",
        f"{target.name} has no parameter `{name}`",
        at,
        "unknown parameter",
        help=keyword_help(name, candidates) or (f"it is declared as {target.signature()}",),
    )


def given_twice(name: str, parameter: str, at: Span) -> Failure:
    """The Failure for a parameter given by position and by name, or again to a partially applied op."""
    return fail(
        "E0403", f"{name}: `{parameter}` is given twice", at, "already given by position",
        ("keep one of the two",),
    )  # fmt: skip


def wrong_type(name: str, parameter: str, wanted: ast.TypeExpr, value: Any, at: Span) -> Diagnostic:
    """The diagnostic of an argument its parameter's type does not take."""
    described = describe_type(wanted)
    help: tuple[str, ...] = ()
    if isinstance(value, range) and wanted.name == "list" and len(value) > MAX_LIST:
        message = f"{name}: `{parameter}`: {too_long(len(value))}"
        return Diagnostic("E0904", message, at, f"at most {MAX_LIST:,}")
    if wanted.name == "op" and isinstance(value, Tensor):
        help = ("pass the op itself, not its result",)
    elif wanted.name == "op" and isinstance(value, str):
        meant = op_called(value)
        help = (f"write an op, without quotes: {parameter} = {meant or 'relu'}",)
    elif wanted.name == "int" and isinstance(value, float):
        help = (ROUND,)
    elif wanted.name == "list" and not isinstance(value, list):
        help = (f"a list stands in square brackets: `[{show(value)}]`",) if not tensors_in(value) else ()
    elif wanted.name == "tensor" and is_op(value):
        help = ("apply it first: `x -> f`",)
    message = f"{name}: `{parameter}` must be {described}, not {show(value)}"
    return Diagnostic("E0405", message, at, f"expected {described}", help)


def op_called(name: str) -> str | None:
    """The primitive a user probably means by a string."""
    return synonym(name, primitive_names()) or nearest(name, primitive_names())


def not_given(name: str, parameters: Sequence[str], signature: str, at: Span) -> Failure:
    """The Failure for parameters left without a value."""
    shown, are = listed(parameters), "is" if len(parameters) == 1 else "are"
    return fail(
        "E0407", f"{name}: {shown} {are} not given", at, f"{shown} {are} missing",
        (f"it is declared as {signature}",),
    )  # fmt: skip


def check_tensor(target: Target, param: TensorParam, value: Any, span: Span) -> Any:
    """A tensor argument as the parameter wants it; raises Failure."""
    if param.many:
        if isinstance(value, Tensor):
            return [value]
        if isinstance(value, list | tuple) and value and all(isinstance(v, Tensor) for v in value):
            return list(value)
        if value in ([], ()):
            if len(target.tensors) > 1:
                return []
            raise fail(
                "E0309", f"{target.name}: `{param.name}` needs at least one tensor", span, "an empty list"
            )
        message = f"{target.name}: `{param.name}` must be a list of tensors, not {show(value)}"
        raise fail("E0406", message, span, f"this is {a_type(value)}")
    if isinstance(value, Tensor):
        return value
    raise fail(
        "E0406",
        f"{target.name}: `{param.name}` must be a tensor, not {show(value)}",
        span,
        f"this is {a_type(value)}",
    )


SCALARS: dict[str, type] = {"int": int, "float": float, "bool": bool, "string": str}
TYPES = (*SCALARS, "op", "tensor", "list", "tuple", "any")


def convert(value: Any, wanted: ast.TypeExpr) -> Any:
    """`value` as a declared type wants it (integral floats become ints), or MISSING if it cannot be."""
    name, kind = wanted.name, type(value)
    if (kind is int and name == "int") or (kind is float and name == "float"):
        return value
    if kind is Symbol and name in ("int", "float"):
        return value.as_int() if name == "int" else value.as_float()
    if name == "op":
        return value if is_op(value) else MISSING
    if isinstance(value, Kept):
        items = [convert(item, wanted) for item in value.items]
        return MISSING if any(i is MISSING for i in items) else replace(value, items=tuple(items))
    if name == "any" or name not in TYPES:  # an unknown type is reported where it is declared
        return value
    if name == "int":
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else MISSING
    if name == "float":
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else MISSING
    if name in ("bool", "string"):
        return value if isinstance(value, SCALARS[name]) else MISSING
    if name == "tensor":
        return value if isinstance(value, Tensor) else MISSING
    return _convert_many(value, wanted)


def _convert_many(value: Any, wanted: ast.TypeExpr) -> Any:
    if wanted.name == "list":
        if isinstance(value, range) and len(value) <= MAX_LIST:
            value = list(value)
        if not isinstance(value, list):
            return MISSING
        if not wanted.args:
            return value
        items = [convert(v, wanted.args[0]) for v in value]
        return MISSING if any(i is MISSING for i in items) else items
    if not isinstance(value, tuple) or (wanted.args and len(wanted.args) != len(value)):
        return MISSING
    if not wanted.args:
        return value
    parts = [convert(v, t) for v, t in zip(value, wanted.args, strict=True)]
    return MISSING if any(p is MISSING for p in parts) else tuple(parts)


def describe_type(wanted: ast.TypeExpr) -> str:
    """`list[int]`."""
    inner = ", ".join(map(describe_type, wanted.args))
    return f"{wanted.name}[{inner}]" if inner else wanted.name


def is_tensor_param(param: ast.Param) -> TensorParam | None:
    """The TensorParam a block parameter declares, if it is one: no type, `tensor`, or `list[tensor]`."""
    if param.type is None or param.type.name == "tensor":
        return TensorParam(param.name)
    if param.type.name == "list" and param.type.args and param.type.args[0].name == "tensor":
        return TensorParam(param.name, many=True)
    return None
