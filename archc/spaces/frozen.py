"""Points as specs, and specs as points: `info` keeps the space and the point that a spec came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archc.diagnostics import ArchError, Diagnostic
from archc.diagnostics.source import NOWHERE
from archc.elaborate import library, load_all
from archc.elaborate.api import main_name
from archc.elaborate.definition import definition
from archc.ir import Graph
from archc.spaces.point_text import Point, from_line
from archc.spaces.points import answered, graph_of
from archc.spaces.space import Request, Space
from archc.spaces.written import written
from archc.syntax import ast


def frozen(space: Space, point: Point, name: str, doc: str = "", source: str = "archc freeze") -> str:
    """The spec of a point, called `name`: a variant of the space where its arguments tell all, else flat.

    doc: about where it comes from. source: what its figures come from. Raises Rejected where the point does not meet
    the requirements, ArchError where it does not fit.
    """
    found = answered(space, point)
    graph = graph_of(space, point)
    draw = space.described(0, found.arguments, found.point, graph)
    return written(
        space, draw, lambda: graph, name, doc or f"A point of {space.request.space}.", source, alone=True
    )


def point_of(spec: str) -> tuple[Space, dict[str, Any]]:
    """The space a spec says it is a point of, and the point.

    Its `info` tells, or it is a variant that binds parameters with domains. Raises ArchError where it is neither.
    """
    loaded = load_all(spec)
    info = dict(loaded.graph.info)
    if "space" not in info or "point" not in info:
        return _of_arguments(spec, loaded.graph)
    try:
        point = from_line(str(info["point"]))
        given = from_line(str(info.get("arguments", "")))
    except ValueError as error:
        raise _no_point(loaded.graph, f"its `info point` cannot be read: {error}") from None
    name = _beside(spec, str(info["space"]))
    space = Space(Request(name, arguments=tuple(given.items())))
    made, shape = graph_of(space, point), loaded.graph.inputs[0].shape
    if made.inputs[0].shape != shape:
        space = Space(Request(name, arguments=tuple(given.items()), input=shape))
    return space, point


def _of_arguments(spec: str, graph: Graph) -> tuple[Space, dict[str, Any]]:
    """The point that the variants of an arch with domains bind."""
    module, name = library().locate(spec)
    target = definition(module, name or main_name(module))
    arch = target.arch
    bound: dict[str, Any] = {}
    for variant, file in target.layers:
        for i, argument in enumerate(variant.base.args):
            bound[argument.name or arch.params[i].name] = file.evaluate(argument.value)
    domains = {p.name for p in arch.params if p.domain is not None}
    point = {key: value for key, value in graph.arguments if key in domains and key in bound}
    if not point:
        raise _no_point(graph, "it has no `info point`, and binds no parameter with a domain")
    if any(isinstance(s, ast.SetStmt) for v in target.variants for s in v.body):
        raise _no_point(graph, "it has `set`s of its own, which no point of a space has")
    given = tuple((key, value) for key, value in bound.items() if key not in point)
    home = target.module.source.name
    return Space(
        Request(arch.name if target.module.shipped else f"{home}:{arch.name}", arguments=given)
    ), point


def _beside(spec: str, space: str) -> str:
    """Where a spec's space is: in the spec, beside it if it is a file, else as it was named."""
    path, colon, name = space.partition(":")
    if not path:
        return f"{spec.partition(':')[0]}:{name}"
    if not path.endswith(".arch"):
        return space
    near = Path(spec.partition(":")[0]).parent / Path(path).name
    return f"{near}{colon}{name}" if near.is_file() else space


def _no_point(graph: Graph, why: str) -> ArchError:
    span = graph.scopes[0].span or NOWHERE
    help = ("specs written by `archc freeze`, `archc search` and `archc sample` are points of their spaces",)
    return ArchError([Diagnostic("E0532", f"{graph.name} is no point of a space: {why}", span, "", help)])
