"""The emitted source, executed: the model in memory is the file a user ships."""

from __future__ import annotations

import builtins
import itertools
import linecache
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from archc.backends.torch_fuse import Form
from archc.backends.torch_source import class_name, emit
from archc.ir import Graph

_numbers = itertools.count(1)

Trace = Callable[[nn.Module, str, torch.Tensor], None]


def compile(graph: Graph, *, form: Form = "fast", trace: Trace | None = None) -> nn.Module:
    """The network as a module, made on torch's current default device (`with torch.device("meta"):` is fine).

    form: as of `emit`. trace: called with (module, name, value) after every node. The class keeps the graph as `archc_graph`;
    tracebacks show the emitted lines. Raises ArchError as `emit` does.
    """
    source = emit(graph, form=form, trace=trace is not None)
    number = next(_numbers)
    filename = f"<archc {graph.name} {number}>"
    namespace: dict[str, Any] = {"__name__": f"archc_emitted_{number}", "_trace": trace}
    exec(builtins.compile(source, filename, "exec"), namespace)
    made: type[nn.Module] = namespace[class_name(graph)]
    made.archc_graph = graph  # type: ignore[attr-defined]  # on the class: out of reach of state_dict and deepcopy
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    weakref.finalize(made, linecache.cache.pop, filename, None)
    return made()
