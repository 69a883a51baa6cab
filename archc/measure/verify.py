"""Running a network and comparing every shape and count with what the compiler said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archc.backends import torch_module
from archc.backends.torch_plan import module_paths, plan, walk
from archc.ir import Graph

Mode = Literal["eval", "train"]

META_ABOVE_MACS = 2_000_000_000
"""Networks of more multiply-adds than this are run without data, on the meta device."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference: `what` is "shape", "params", "buffers", "macs", "state" or "run"."""

    path: str
    what: str
    expected: object
    found: object

    def __str__(self) -> str:
        return f"{self.path}: {self.what} should be {self.expected}, is {self.found}"


@dataclass(frozen=True)
class Report:
    """What was measured and what differs: macs of one example in eval mode, all parameters and buffers."""

    device: str
    modes: tuple[Mode, ...]
    nodes: int
    params: int
    buffers: int
    macs: int
    mismatches: tuple[Mismatch, ...]

    @property
    def ok(self) -> bool:
        return not self.mismatches


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's base class is untyped
    """Counts the multiply-adds of convolutions and matrix products as torch runs them, whoever calls."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            image, weight, transposed = args[0], args[1], args[6]
            self.macs += (image if transposed else result).numel() * weight[0].numel()
        elif func in _PRODUCTS:
            self.macs += result.numel() * args[_PRODUCTS[func]].shape[-1]
        return result


# Position of the left factor, whose last dimension is summed over.
_PRODUCTS: dict[Callable[..., Any], int] = {
    torch.ops.aten.mm.default: 0,
    torch.ops.aten.addmm.default: 1,
    torch.ops.aten.bmm.default: 0,
    torch.ops.aten.baddbmm.default: 1,
}


@dataclass
class _Seen:
    """What one forward showed, by node id."""

    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    macs: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def verify(
    graph: Graph, module: nn.Module | None = None, *, batch: int = 2, device: str | None = None
) -> Report:
    """Run the network and compare shapes, parameters, buffers and multiply-adds of every node.

    module: one made from the graph, whose tensors, outputs and total are looked at too. batch: examples in the
    input. device: "cpu" or "meta" (no memory, no arithmetic); default: meta above 2 G multiply-adds. Runs in
    eval mode and, when there are train-only outputs, in training mode. A run that fails is a mismatch.
    """
    device = device or ("meta" if graph.cost.macs > META_ABOVE_MACS else "cpu")
    found: list[Mismatch] = []
    runs: dict[Mode, _Seen] = {}
    names = _node_names(graph)
    now: list[_Seen] = [_Seen()]
    counter = Counter()
    prefixes: dict[int, str] = {}

    def trace(owner: nn.Module, name: str, value: Tensor) -> None:
        node = names[prefixes[id(owner)], name]
        now[0].shapes[node] = tuple(value.shape)
        now[0].macs[node] += counter.macs
        counter.macs = 0

    with torch.device(device):
        traced = torch_module.compile(graph, trace=trace)
    prefixes.update((id(m), name) for name, m in traced.named_modules())
    _compare_state(graph, module or traced, found)
    modes: list[Mode] = ["eval"]
    if any(output.train_only for output in graph.outputs):
        modes.append("train")
    inputs = [torch.zeros(batch, *node.shape, device=device) for node in graph.inputs]
    for mode in modes:
        traced.train(mode == "train")
        now[0] = runs[mode] = _Seen()
        counter.macs = 0
        with counter:
            _run(graph, traced, inputs, mode, found)
    for mode, run in runs.items():
        _compare_run(graph, mode, run, batch, found)
    if module is not None:
        _compare_outputs(graph, module, batch, found)
    counted = module or traced
    return Report(
        device,
        tuple(modes),
        len(graph.nodes),
        sum(p.numel() for p in counted.parameters()),
        sum(b.numel() for b in counted.buffers()),
        sum(runs["eval"].macs.values()) // batch,
        tuple(found),
    )


def _compare_outputs(graph: Graph, module: nn.Module, batch: int, found: list[Mismatch]) -> None:
    """Run a module as it is, in eval mode, and compare its outputs' shapes and its total."""
    tensor = next(module.parameters(), torch.zeros(()))
    inputs = [torch.zeros(batch, *n.shape, device=tensor.device, dtype=tensor.dtype) for n in graph.inputs]
    training = module.training
    with Counter() as counter:
        results = _run(graph, module.eval(), inputs, "eval", found)
    module.train(training)
    if results is None:
        return
    expected = [(batch, *graph.nodes[o.node].shape) for o in graph.outputs if not o.train_only]
    shapes = [tuple(r.shape) for r in (results if isinstance(results, tuple) else (results,))]
    if shapes != expected:
        found.append(Mismatch(graph.name, "shape", expected, shapes))
    if counter.macs != batch * graph.cost.macs:
        found.append(Mismatch(graph.name, "macs", graph.cost.macs, counter.macs / batch))


def _run(graph: Graph, module: nn.Module, inputs: list[Tensor], mode: Mode, found: list[Mismatch]) -> Any:
    """The module's results, or None and a mismatch where it raised."""
    try:
        with torch.no_grad():
            return module(*inputs)
    except Exception as error:  # whatever torch raises is what a user wants to be told
        found.append(Mismatch(graph.name, "run", f"{mode} mode to run", f"{type(error).__name__}: {error}"))
        return None


def _node_names(graph: Graph) -> dict[tuple[str, str], int]:
    """Node ids by the path of the module that runs them and their name in it."""
    return {
        (scope.path, item.name): item.node.id
        for scope in walk(plan(graph))
        for item in scope.items
        if item.node
    }


def _compare_state(graph: Graph, module: nn.Module, found: list[Mismatch]) -> None:
    parameters: dict[str, int] = defaultdict(int)
    buffers: dict[str, int] = defaultdict(int)
    for sizes, named in ((parameters, module.named_parameters()), (buffers, module.named_buffers())):
        for key, tensor in named:
            sizes[key.rpartition(".")[0]] += tensor.numel()
    paths = module_paths(plan(graph))
    for node in graph.nodes:
        path = paths.pop(node.id, "")
        for what, sizes, expected in (
            ("params", parameters, node.cost.params),
            ("buffers", buffers, node.cost.buffers),
        ):
            size = sizes.pop(path, 0) if path else 0
            if size != expected:
                found.append(Mismatch(graph.path(node), what, expected, size))
    left = sorted({*parameters, *buffers})
    found += [Mismatch(path, "state", "none", parameters[path] + buffers[path]) for path in left]


def _compare_run(graph: Graph, mode: Mode, run: _Seen, batch: int, found: list[Mismatch]) -> None:
    for node in graph.nodes:
        if node.op.kind == "input" or (node.train_only and mode == "eval"):
            continue
        path = graph.path(node)
        shape = run.shapes.get(node.id)
        if shape is None:
            found.append(Mismatch(path, "run", f"a value in {mode} mode", None))
            continue
        if shape != (batch, *node.shape):
            found.append(Mismatch(path, "shape", (batch, *node.shape), shape))
        if run.macs[node.id] != batch * node.cost.macs:
            found.append(Mismatch(path, "macs", node.cost.macs, run.macs[node.id] / batch))
