"""Signal propagation as it is: squared channel means and channel variances of a network at its start."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archc.backends import torch_module
from archc.backends.torch_plan import plan, walk
from archc.ir import Graph


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one tensor: the mean over channels of the squared channel mean, and of the channel variance."""

    mean_squared: float
    variance: float


def measure_signal(
    graph: Graph,
    nodes: Collection[int],
    *,
    batch: int = 8,
    seed: int = 0,
    device: str = "cpu",
    constant: bool = False,
) -> dict[int, Statistics]:
    """Statistics of the outputs of some nodes, by id, for standard normal input and fresh weights.

    The network is in the reference state of the language: gains are 1 whatever they start with, noise is off,
    and batch normalisation uses the batch's own statistics. constant: all pixels of a channel are the same, so
    that pooling keeps the variance as the language takes it to; else each is drawn on its own, and a mean over n
    pixels divides the variance by n.
    """
    names = {
        (scope.path, item.name): item.node.id
        for scope in walk(plan(graph))
        for item in scope.items
        if item.node
    }
    found: dict[int, Statistics] = {}
    prefixes: dict[int, str] = {}

    def trace(owner: nn.Module, name: str, value: Tensor) -> None:
        node = names[prefixes[id(owner)], name]
        if node in nodes:
            found[node] = statistics(value)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = torch_module.compile(graph, trace=trace).to(device)
        inputs = [
            torch.randn(batch, n.shape[0], *((1,) * (len(n.shape) - 1) if constant else n.shape[1:]))
            .expand(batch, *n.shape)
            .to(device)
            for n in graph.inputs
        ]
    prefixes.update((id(m), name) for name, m in module.named_modules())
    _reference_state(module)
    with torch.no_grad():
        module(*inputs)
    return found


def statistics(value: Tensor) -> Statistics:
    """Of (N, C, H, W), or of (N, F), whose features count as channels."""
    x = value.double()
    over = tuple(d for d in range(x.ndim) if d != 1)
    return Statistics(float(x.mean(over).square().mean()), float(x.var(over, unbiased=False).mean()))


def _reference_state(module: nn.Module) -> None:
    module.eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.train()
            if part.affine:
                nn.init.ones_(part.weight)
        for name, parameter in part.named_parameters(recurse=False):
            if name == "gain" or (name == "scale" and type(part).__name__ == "ChannelScale"):
                nn.init.ones_(parameter)
