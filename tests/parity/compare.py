"""Comparing a library network with its twin."""

from __future__ import annotations

import copy
import importlib
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

import archc
from archc.measure.parity import Report, parity
from archc.measure.weights import randomise
from tests.parity.twin import Twin
from tests.peers import import_timm, import_torchvision

SEED = 1


def make_peer(twin: Twin) -> nn.Module:
    """The hand-written module."""
    module_name, _, function = twin.peer.partition(":")
    (import_timm if module_name.startswith("timm") else import_torchvision)()
    made: nn.Module = getattr(importlib.import_module(module_name), function)(**twin.kwargs)
    return made


@lru_cache(maxsize=1)
def _pair(spec: str, peer: str, size: tuple[int, ...], key: Any) -> tuple[nn.Module, nn.Module, Report]:
    del spec, peer
    twin: Twin = key.twin
    theirs = make_peer(twin)
    ours = archc.compile(archc.load(twin.spec, input=size, **twin.arguments))
    x = sample(size)
    report = parity(ours, theirs, x, seed=SEED)
    randomise(theirs, SEED)
    return ours, theirs, report


class _Key:
    """Lets an unhashable twin ride through the cache by identity of its names."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    def __hash__(self) -> int:
        return hash(self.twin.spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.twin is self.twin


def pair(twin: Twin, size: tuple[int, ...]) -> tuple[nn.Module, nn.Module, Report]:
    """Ours and theirs with the same random weights, and what matching them found."""
    return _pair(twin.spec, twin.peer, tuple(size), _Key(twin))


def sample(size: tuple[int, ...], batch: int = 2) -> Tensor:
    """A seeded batch."""
    return torch.randn(batch, *size, generator=torch.Generator().manual_seed(0))


def relative(result: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest absolute value."""
    assert result.shape == expected.shape
    assert torch.isfinite(expected).all()
    assert expected.abs().max() > 0
    return float((result - expected).abs().max() / expected.abs().max())


def compare_eval(twin: Twin, size: tuple[int, ...]) -> None:
    """Eval outputs are equal in float64 to rounding, in float32 to the twin's tolerance."""
    ours, theirs, report = pair(twin, size)
    assert report.first is None, f"first difference: {report.first}"
    assert (report.only_ours, report.only_theirs) == ((), ())
    assert report.error <= 1e-9, f"float64 outputs differ by {report.error:.1e}"
    with torch.no_grad():
        result, expected = ours.eval()(sample(size)), theirs.eval()(sample(size))
    assert relative(result, _main(expected)) <= twin.tolerance


def compare_gradient(twin: Twin, size: tuple[int, ...]) -> None:
    """Gradients of a loss w.r.t. the input, batch statistics in use and every random op switched off."""
    ours, theirs, _ = pair(twin, size)
    gradients = []
    for module in (copy.deepcopy(ours), copy.deepcopy(theirs)):
        still(module.double().train())
        x = sample(size).double().requires_grad_()
        _main(module(x)).square().mean().backward()
        assert x.grad is not None
        gradients.append(x.grad)
    assert relative(*gradients) <= 1e-6


def still(module: nn.Module) -> None:
    """Set every rate of dropout and stochastic depth to 0."""
    for child in module.modules():
        name = type(child).__name__
        if name.startswith("Dropout") or name in ("StochasticDepth", "DropPath"):
            for attribute in ("p", "drop_prob", "rate"):
                if hasattr(child, attribute):
                    setattr(child, attribute, 0.0)


def _main(result: Any) -> Tensor:
    while not isinstance(result, Tensor):
        result = next(iter(result.values())) if isinstance(result, dict) else result[0]
    return result
