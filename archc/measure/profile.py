"""Where a training step's time goes: each op's forward and backward pass, measured, beside its roofline."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from archc.analyses.roofline import Device, device_reported_as, training_roofline
from archc.analyses.sections import sections
from archc.backends import torch_module
from archc.ir import Graph, Node
from archc.measure.bench import with_threads
from archc.measure.latency import calibrate, compile_traced, host_clock

START = -1
"""Of a pass: stands before its first op."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of a forward and of a backward pass, their bounds, and the operations of both."""

    name: str
    what: str
    forward: float
    backward: float
    forward_bound: float
    backward_bound: float
    flops: int

    @property
    def seconds(self) -> float:
        return self.forward + self.backward

    @property
    def bound(self) -> float:
        return self.forward_bound + self.backward_bound

    @property
    def achieved(self) -> float:
        """The share of the speed that the roofline allows."""
        return self.bound / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Medians over `steps` training steps of one network; `step`: seconds of a step that nothing watches."""

    device: Device
    step: float
    steps: int
    sections: tuple[Spent, ...]
    ops: tuple[Spent, ...]


def profile(
    graph: Graph,
    batch: int,
    dtype: str = "float32",
    *,
    device: str = "cpu",
    on: Device | None = None,
    threads: int = 1,
    steps: int = 5,
    warm: int = 2,
) -> Profile:
    """Train on random inputs with so many threads of the CPU, and split the time.

    dtype: float32, or what to autocast to. on: whose roofline; default: the GPU where archc knows it, else this
    machine, calibrated now. A pass is split at the ends of ops: what follows one, up to the next one's end, is the
    next one's. On the CPU it is the process's own time with one thread, else the clock's; on a GPU the stream's.
    """
    with with_threads(threads):
        return _profile(graph, batch, dtype, device, on or _this_device(device, dtype), steps, warm)


def _profile(graph: Graph, batch: int, dtype: str, device: str, on: Device, steps: int, warm: int) -> Profile:
    kind: torch.dtype = getattr(torch, dtype)
    inputs = [torch.randn(batch, *node.shape, device=device) for node in graph.inputs]

    def cast() -> AbstractContextManager[object]:
        return torch.autocast(device, dtype=kind, enabled=kind != torch.float32)

    plain = torch_module.compile(graph).to(device).train()
    stamps = Stamps(device)
    whole = []
    for _ in range(warm + steps):
        start = stamps.now()
        _backward(_forward(plain, inputs, cast))
        whole.append(stamps.between(start, stamps.now()))
    del plain
    watched = Watched(stamps)
    traced = compile_traced(graph, watched.seen).to(device).train()
    passes = [_watch(watched, traced, inputs, cast) for _ in range(warm + steps)][warm:]
    forward, backward = (_medians([p[i] for p in passes]) for i in (0, 1))
    bounds = training_roofline(graph, on, batch, dtype)

    def spent(name: str, what: str, nodes: list[Node]) -> Spent:
        there = [bounds[n.id] for n in nodes if n.id in bounds]
        return Spent(
            name, what,
            sum(forward.get(n.id, 0.0) for n in nodes), sum(backward.get(n.id, 0.0) for n in nodes),
            sum(f.seconds for f, _ in there), sum(b.seconds for _, b in there),
            sum(f.flops + b.flops for f, b in there),
        )  # fmt: skip

    parts = [spent(s.name, s.block, s.nodes) for s in sections(graph)]
    ops = [spent(graph.path(n), n.op.label(), [n]) for n in graph.nodes if n.id in forward]
    return Profile(on, statistics.median(whole[warm:]), steps, tuple(parts), tuple(ops))


class Stamps:
    """Moments of a device, and the seconds between two of them."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._clock = host_clock()

    def now(self) -> Any:
        if not self._cuda:
            return self._clock()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch's is untyped
        event.record()
        return event

    def between(self, first: Any, second: Any) -> float:
        if not self._cuda:
            return float(second - first)
        second.synchronize()
        return float(first.elapsed_time(second)) / 1e3


class Watched:
    """The moments of one step: of the forward pass when each op has ended, of the backward pass when it begins."""

    def __init__(self, stamps: Stamps) -> None:
        self.stamps = stamps
        self.forward: list[tuple[int, Any]] = []
        self.backward: list[tuple[int, Any]] = []

    def seen(self, node: int, value: Tensor) -> None:
        """A node has made a value."""
        self.forward.append((node, self.stamps.now()))
        if value.requires_grad:
            value.register_hook(lambda gradient: self._leaves(node))  # type: ignore[no-untyped-call]  # torch's

    def _leaves(self, node: int) -> None:
        """Called just before a gradient goes through the op of a node."""
        self.backward.append((node, self.stamps.now()))


def _watch(
    watched: Watched,
    module: nn.Module,
    inputs: list[Tensor],
    cast: Callable[[], AbstractContextManager[object]],
) -> tuple[dict[int, float], dict[int, float]]:
    """Seconds of every node in one step, forward and backward."""
    watched.forward, watched.backward = [(START, watched.stamps.now())], []
    loss = _forward(module, inputs, cast)
    _backward(loss)
    end = watched.stamps.now()
    between = watched.stamps.between
    forward: dict[int, float] = {}
    for (_, before), (node, after) in zip(watched.forward, watched.forward[1:], strict=False):
        forward[node] = forward.get(node, 0.0) + between(before, after)
    backward: dict[int, float] = {}
    ends = [at for _, at in watched.backward[1:]] + [end]
    for (node, begun), after in zip(watched.backward, ends, strict=True):
        backward[node] = backward.get(node, 0.0) + between(begun, after)
    return forward, backward


def _forward(
    module: nn.Module, inputs: list[Tensor], cast: Callable[[], AbstractContextManager[object]]
) -> Tensor:
    """The mean squares of all outputs, added up."""
    module.zero_grad(set_to_none=True)
    with cast():
        outputs = [t for t in tree_leaves(module(*inputs)) if isinstance(t, Tensor)]
    return torch.stack([t.float().square().mean() for t in outputs]).sum()


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]  # torch's is untyped


def _medians(passes: list[dict[int, float]]) -> dict[int, float]:
    return {node: statistics.median(p.get(node, 0.0) for p in passes) for node in passes[0]}


def _this_device(device: str, dtype: str) -> Device:
    if device == "cuda":
        known = device_reported_as(torch.cuda.get_device_name())
        if known:
            return known
    flops, bandwidth, overhead = calibrate(dtype, device=device)
    return Device("this machine, calibrated", "", {dtype: flops}, bandwidth, overhead)
