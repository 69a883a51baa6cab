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

if TYPE_CHECKING:
    from pathlib import Path

    import graphviz
    import torch

    from archc.backends.dot import Level
    from archc.ir import Graph
    from archc.ops.base import Cost

__version__ = "0.1.0"
__all__ = ["ArchError", "Cost", "Diagnostic", "Graph", "check", "compile", "count", "draw", "emit", "load"]


def load(
    spec: str | Path, *, input: tuple[int, ...] | None = None, sample: int | None = None, **arguments: Any
) -> Graph:
    """The graph of a spec: a path, `path:variant`, or a library name.

    input: (channels, height, width) in place of the declared size. sample: a seed that answers the open
    choices of a design space. arguments: of the arch; ops may be given by name. Raises ArchError.
    """
    from archc.elaborate import load as load_graph

    _show_graphs()
    return load_graph(spec, input=input, sample=sample, **arguments)


def check(spec: str | Path) -> list[Diagnostic]:
    """Every error and warning of a spec, its `expect`s included: of all it declares, or of the one named."""
    from archc.elaborate import check as check_spec

    return check_spec(spec)


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


def _show_graphs() -> None:
    """Let notebooks draw graphs. The method is hung on here, as `ir` may not import a backend."""
    from archc.ir import Graph

    def picture(graph: Graph) -> str:
        from archc.backends.dot import svg

        return svg(graph, "network")

    Graph._repr_svg_ = picture  # type: ignore[attr-defined]  # only notebooks look for it


def __getattr__(name: str) -> Any:
    """Graph and Cost, imported when asked for."""
    if name == "Graph":
        from archc.ir import Graph

        _show_graphs()
        return Graph
    if name == "Cost":
        from archc.ops.base import Cost

        return Cost
    raise AttributeError(f"module 'archc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
