"""The inputs of an arch: their sizes, declared or given, and what stands in for one that cannot be read."""

from __future__ import annotations

import re
from typing import Any

from archc.diagnostics import Diagnostic, Span
from archc.elaborate.expressions import Closure
from archc.elaborate.frame import ElabFrame
from archc.elaborate.values import a_type, fail, show, show_shape
from archc.ops.base import FREE
from archc.ops.input import Input
from archc.syntax import ast

MAX_SIDE = 2**20

LOST_INPUT = re.compile(r"\s*(?:input\b|[a-z]+\s+(?=(?:\w+\s*:\s*)?\d+\s*[x×,*]\s*\d))\s*(?:(\w+)\s*:)?")
"""A line that was to be an `input`, its keyword misspelt perhaps; the name of the input."""


def input_shape(f: ElabFrame, dims: list[Closure], node: ast.Input) -> tuple[int, ...]:
    """The shape an `input` declares, or the one given instead of it; raises Failure."""
    if len(node.dims) == 1 and isinstance(node.dims[0], ast.TupleExpr):
        sizes = " x ".join(d.span.text for d in node.dims[0].items)
        raise fail("E0513", "the dimensions of an input are joined by `x`", node.dims[0].span,
                   "a tuple", (f"write `input {sizes}`",))  # fmt: skip
    shape = tuple(dimension(d(f), at.span) for d, at in zip(dims, node.dims, strict=True))
    given = f.run.arch.input_override
    if given is None:
        _warn_of_channels_last(f, shape, node.span)
        return shape
    if f.run.arch.inputs:
        raise fail("E0512", "an input size can be given only where there is one input", node.span,
                   "a second input", ("make the sizes parameters of the arch",))  # fmt: skip
    if not isinstance(given, tuple | list):
        raise fail("E0512", f"an input size is a tuple, not {show(given)}", node.span,
                   f"declared as {show_shape(shape)}", (f"write ({', '.join(map(str, shape))})",))  # fmt: skip
    if len(given) != len(shape):
        raise fail("E0512", f"the input has {len(shape)} dimensions, not {len(given)}", node.span,
                   f"declared as {show_shape(shape)}", (f"give sizes for all, as in {show_shape(shape)}",))  # fmt: skip
    return tuple(dimension(d, node.span) for d in given)


def dimension(value: Any, span: Span) -> int:
    """A size as an int; raises Failure."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_SIDE:
        raise fail("E0513", f"an input dimension is an int from 1 to {MAX_SIDE:,}, not {show(value)}", span,
                   f"this is {a_type(value)}", ("channels, height and width: `input 3 x 224 x 224`",))  # fmt: skip
    return value


def add_input(f: ElabFrame, name: str, shape: tuple[int, ...], span: Span) -> None:
    """Add an input to the arch; the first is the current tensor."""
    arch = f.run.arch
    f.vars[name] = f.body.add_node(Input(shape), (), (), shape, FREE, name, span, 0)
    if not arch.inputs:
        f.current = name
    arch.inputs.append(name)


def _warn_of_channels_last(f: ElabFrame, shape: tuple[int, ...], span: Span) -> None:
    if len(shape) == 3 and shape[0] == shape[1] > shape[2] and shape[2] in (1, 3, 4):
        height, width, channels = shape
        message = f"this input has {height} channels of {width}×{channels} pixels"
        help = (f"channels come first: `input {channels} x {height} x {width}`",)
        f.run.report(Diagnostic("W0202", message, span, "channels last?", help))
