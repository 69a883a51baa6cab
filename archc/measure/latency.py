"""How long a network and each of its ops take, and what a machine can do at best."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archc.backends import torch_module
from archc.backends.torch_plan import plan, walk
from archc.ir import Graph


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one forward pass in eval mode: the median of `runs`, and of each node by id.

    nodes: medians of the times between one node's end and the next one's, in runs of their own; on a GPU each is
    waited for, so they add up to more than the whole.
    """

    seconds: float
    runs: int
    nodes: dict[int, float]


def measure_latency(
    graph: Graph,
    batch: int = 1,
    dtype: str = "float32",
    *,
    device: str = "cpu",
    runs: int = 10,
    warm: int = 3,
) -> Latency:
    """Run a compiled graph on random inputs with torch's current number of threads."""
    kind: torch.dtype = getattr(torch, dtype)
    times: dict[int, list[float]] = {}
    last = [0.0]

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def seen(node: int, value: Tensor) -> None:
        at = now()
        times.setdefault(node, []).append(at - last[0])
        last[0] = at

    inputs = [torch.randn(batch, *n.shape, device=device, dtype=kind) for n in graph.inputs]
    with torch.inference_mode():
        plain = torch_module.compile(graph).to(device, kind).eval()
        seconds = _repeat(lambda: plain(*inputs), now, runs, warm)
        traced = compile_traced(graph, seen).to(device, kind).eval()
        for i in range(warm + runs):
            if i == warm:
                times.clear()
            last[0] = now()
            traced(*inputs)
    return Latency(statistics.median(seconds), runs, {k: statistics.median(v) for k, v in times.items()})


def compile_traced(graph: Graph, seen: Callable[[int, Tensor], None]) -> nn.Module:
    """The module of a graph, telling `seen` the id of every node that made a value, with the value, as it runs."""
    nodes = {
        (scope.path, item.name): item.node.id
        for scope in walk(plan(graph))
        for item in scope.items
        if item.node
    }
    paths: dict[int, str] = {}

    def trace(owner: nn.Module, name: str, value: Tensor) -> None:
        seen(nodes[paths[id(owner)], name], value)

    module = torch_module.compile(graph, trace=trace)
    paths.update((id(m), path) for path, m in module.named_modules())
    return module


def host_clock() -> Callable[[], float]:
    """Seconds of the CPU: the process's own with one thread, which work beside it does not lengthen, else the wall's."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def calibrate(dtype: str = "float32", *, device: str = "cpu", runs: int = 5) -> tuple[float, float, float]:
    """(operations a second, bytes a second, seconds an op) of this machine, at best.

    The faster of products of 1024 × 1024 matrices and of 3×3 convolutions, whose operations are counted as if
    no fast algorithm were used; copies of 256 MB; ReLUs of one element. The fastest run counts, by `host_clock`.
    """
    kind: torch.dtype = getattr(torch, dtype)
    clock = host_clock()

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return clock()

    a, b = (torch.randn(1024, 1024, device=device, dtype=kind) for _ in range(2))
    source = torch.ones(256 * 2**20 // a.element_size(), device=device, dtype=kind)
    target = torch.empty_like(source)
    image = torch.randn(8, 128, 28, 28, device=device, dtype=kind)
    kernel = torch.randn(128, 128, 3, 3, device=device, dtype=kind)
    one = torch.ones(1, device=device, dtype=kind)

    def small() -> None:
        for _ in range(1000):
            torch.relu(one)

    with torch.inference_mode():
        product = 2 * 1024**3 / min(_repeat(lambda: a @ b, now, runs, 2))
        convolve = (
            2
            * image.numel()
            * kernel[0].numel()
            / min(_repeat(lambda: torch.conv2d(image, kernel, padding=1), now, runs, 2))
        )
        copy = min(_repeat(lambda: target.copy_(source), now, runs, 2))
        call = min(_repeat(small, now, runs, 1)) / 1000
    return max(product, convolve), 2 * source.nbytes / copy, call


def _repeat(run: Callable[[], object], now: Callable[[], float], runs: int, warm: int) -> list[float]:
    found = []
    for i in range(warm + runs):
        start = now()
        run()
        if i >= warm:
            found.append(now() - start)
    return found
