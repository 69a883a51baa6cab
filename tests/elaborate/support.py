"""Building graphs and diagnostics from text."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import archc
from archc.diagnostics import Diagnostic
from archc.ir import Graph, Node


def build(text: str, **options: Any) -> Graph:
    """The graph of the first arch of a spec given as text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.arch"
        path.write_text(text)
        return archc.load(path, **options)


def arch(
    body: str, *, params: str = "", blocks: str = "", size: str = "8 x 16 x 16", **options: Any
) -> Graph:
    """The graph of an arch with this body."""
    return build(f"{blocks}\narch net({params}) {{\n  input {size}\n{body}\n}}\n", **options)


def problems(body: str, *, params: str = "", blocks: str = "", size: str = "8 x 16 x 16") -> list[Diagnostic]:
    """What `check` says of an arch with this body."""
    from archc.elaborate import check_text

    return check_text(f"{blocks}\narch net({params}) {{\n  input {size}\n{body}\n}}\n")


def codes(body: str, **parts: str) -> list[str]:
    """The codes of `problems`."""
    return [d.code for d in problems(body, **parts)]


def value(expression: str, before: str = "", params: str = "") -> Any:
    """What an expression evaluates to, read back through a conv's channels or an `info`."""
    graph = arch(f"  {before}\n  info value = {expression}", params=params)
    return dict(graph.info)["value"]


def ops(graph: Graph) -> list[str]:
    """Op names in creation order, the input left out."""
    return [n.op.name for n in graph.nodes if n.op.kind != "input"]


def node(graph: Graph, path: str) -> Node:
    """The node at a path."""
    return next(n for n in graph.nodes if graph.path(n) == path)


def paths(graph: Graph) -> list[str]:
    """Paths of all nodes but the input."""
    return [graph.path(n) for n in graph.nodes if n.op.kind != "input"]
