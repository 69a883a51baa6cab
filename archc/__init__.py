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
    from collections.abc import Mapping
    from pathlib import Path

    import graphviz
    import torch

    from archc.backends.dot import Level
    from archc.backends.dot_heat import Colour
    from archc.backends.torch_fuse import Form
    from archc.ir import Graph
    from archc.ops.base import Cost
    from archc.passes.draft import Rewrite

__version__ = "0.1.0"
__all__ = [
    "ArchError",
    "Cost",
    "Diagnostic",
    "Graph",
    "check",
    "compile",
    "count",
    "deploy",
    "draw",
    "emit",
    "load",
    "optimize",
    "report",
]


def load(
    spec: str | Path, *, input: tuple[int, ...] | None = None, sample: int | None = None, **arguments: Any
) -> Graph:
    """The graph of a spec: a path, `path:variant`, or a library name.

    input: (channels, height, width) in place of the declared size. sample: a seed that answers the open
    choices of a design space. arguments: of the arch; ops may be given by name. Raises ArchError.
    """
    from archc.elaborate import load as load_graph

    _show_in_notebooks()
    return load_graph(spec, input=input, sample=sample, **arguments)


def check(spec: str | Path) -> list[Diagnostic]:
    """Every error and warning of a spec, its `expect`s included: of all it declares, or of the one named."""
    from archc.elaborate import check as check_spec

    return check_spec(spec)


def count(graph: Graph) -> Cost:
    """params, buffers, macs, flops and activations of one example in eval mode."""
    return graph.cost


def emit(graph: Graph, form: Form = "fast") -> str:
    """Standalone torch source of the network: it imports torch only.

    form: "fast", fused and in place where gradients allow; "plain", a call for every node.
    """
    from archc.backends.torch_source import emit as emit_source

    return emit_source(graph, form=form)


def compile(graph: Graph, form: Form = "fast") -> torch.nn.Module:
    """The module `emit`'s source defines, freshly initialised. Needs torch (`archc[train]`)."""
    from archc.backends.torch_module import compile as compile_module

    return compile_module(graph, form=form)


def deploy(
    graph: Graph, state: Mapping[str, torch.Tensor], device: str | torch.device = "cpu", **options: Any
) -> torch.nn.Module:
    """The network folded and made ready to run on a device, from a state dict of `compile(graph)`.

    On CPUs convolutions and what follows them are single oneDNN calls; on GPUs the module is compiled, with CUDA graphs.
    options: `dtype`, `compiled`. Needs torch.
    """
    from archc.measure.deploy import deploy as make_ready

    return make_ready(graph, state, device, **options)


def optimize(graph: Graph, *passes: str) -> Rewrite:
    """The graph rewritten by passes, in the order named; without names those of deployment.

    `.graph` is the new graph, `.notes` say what was done. `archc.passes.pipeline.PASSES` lists the names. Raises
    ArchError (E0721).
    """
    from archc.passes.pipeline import optimize as rewrite
    from archc.passes.pipeline import passes_named

    return rewrite(graph, passes_named(passes or ("deploy",)))


def draw(graph: Graph, level: Level = "network", colour: Colour = "kind") -> graphviz.Digraph:
    """A diagram at level "network", "stage", "block" or "op"; `.render()` needs graphviz's `dot`.

    colour: by "kind" of op, or heat by "cost" (multiply-adds) or "params".
    """
    from archc.backends.dot import draw as draw_graph

    return draw_graph(graph, level, colour)


def report(*graphs: Graph) -> str:
    """One self-contained HTML page: diagram, costs and spec; several graphs are compared."""
    from archc.backends.report import report as write_report

    return write_report(graphs)


def _show_in_notebooks() -> None:
    """Let notebooks show graphs and costs. The methods are hung on here, as `ir` may not import a backend."""
    from archc.ir import Graph
    from archc.ops.base import Cost

    def diagram(graph: Graph) -> str:
        from archc.backends.report import notebook_html

        return notebook_html(graph)

    def table(cost: Cost) -> str:
        from archc.backends.report import cost_html

        return cost_html(cost)

    Graph._repr_html_ = diagram  # type: ignore[attr-defined]  # only notebooks look for it
    Cost._repr_html_ = table  # type: ignore[attr-defined]  # likewise


def __getattr__(name: str) -> Any:
    """Graph and Cost, imported when asked for."""
    if name == "Graph":
        from archc.ir import Graph

        _show_in_notebooks()
        return Graph
    if name == "Cost":
        from archc.ops.base import Cost

        _show_in_notebooks()
        return Cost
    raise AttributeError(f"module 'archc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
