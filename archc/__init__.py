"""archc: a compiler for convolutional architectures.

    >>> import archc
    >>> graph = archc.load("resnet50")
    >>> archc.count(graph).macs
    4089184256
    >>> module = archc.compile(graph)      # needs torch

Nothing heavy is imported until it is used: `load`, `count`, `check` and `emit` never import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archc.diagnostics import ArchError, Diagnostic
from archc.elaborate import check, load
from archc.ir import Graph
from archc.ops.base import Cost

if TYPE_CHECKING:
    import graphviz
    import torch

    from archc.backends.dot import Level

__version__ = "0.1.0"
__all__ = ["ArchError", "Cost", "Diagnostic", "Graph", "check", "compile", "count", "draw", "emit", "load"]


def count(graph: Graph) -> Cost:
    """params, buffers, macs, flops and activations of one example in eval mode."""
    return graph.cost


def emit(graph: Graph) -> str:
    """Standalone torch source of the network: it imports torch only."""
    from archc.backends.torch_source import emit as emit_source

    return emit_source(graph)


def compile(graph: Graph) -> torch.nn.Module:
    """The module `emit`'s source defines, freshly initialised. Needs torch (`archc[train]`)."""
    from archc.backends.torch_module import compile as compile_module

    return compile_module(graph)


def draw(graph: Graph, level: Level = "network") -> graphviz.Digraph:
    """A diagram at level "network", "stage", "block" or "op"; `.render()` needs graphviz's `dot`."""
    from archc.backends.dot import draw as draw_graph

    return draw_graph(graph, level)


def _repr_svg(graph: Graph) -> str:
    """How a notebook shows a graph."""
    from archc.backends.dot import svg

    return svg(graph, "network")


def __dir__() -> list[str]:
    return sorted(__all__)


_display: Any = _repr_svg
setattr(Graph, "_repr_svg_", _display)  # noqa: B010  # `ir` may not import the drawing backend, so it is hung on here
