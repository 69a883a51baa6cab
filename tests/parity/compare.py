"""Comparing a library network with its twin."""

from __future__ import annotations

import copy
import importlib

import torch
from torch import Tensor, nn

import archc
from archc.measure.parity import Report, parity
from archc.measure.recording import first_tensor
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


class Pair:
    """Ours at the twin's input size and theirs, with the same random weights, and what matching them found."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.theirs = make_peer(twin)
        self.ours = self.compiled(twin.input)
        self.report: Report = parity(self.ours, self.theirs, sample(twin.input), seed=SEED)
        randomise(self.theirs, SEED)

    def compiled(self, size: tuple[int, ...]) -> nn.Module:
        return archc.compile(archc.load(self.twin.spec, input=size, **self.twin.arguments), form="plain")

    def compare_eval(self) -> None:
        """Eval outputs are equal in float64 to rounding, in float32 to the twin's tolerance."""
        assert self.report.first is None, f"first difference: {self.report.first}"
        assert (self.report.only_ours, self.report.only_theirs) == ((), ())
        assert self.report.error <= 1e-9, f"float64 outputs differ by {self.report.error:.1e}"
        self._compare(self.ours, self.twin.input)

    def compare_odd(self) -> None:
        """At another size too, with the same weights; what differs first is told."""
        assert self.twin.odd is not None
        ours = self.compiled(self.twin.odd)
        ours.load_state_dict(self.ours.state_dict())
        try:
            self._compare(ours, self.twin.odd)
        except AssertionError as error:
            found = parity(ours, self.theirs, sample(self.twin.odd), seed=SEED)
            raise AssertionError(f"first difference: {found.first}") from error

    def _compare(self, ours: nn.Module, size: tuple[int, ...]) -> None:
        x = sample(size)
        with torch.no_grad():
            result, expected = ours.eval()(x), first_tensor(self.theirs.eval()(x))
        assert relative(result, expected) <= self.twin.tolerance

    def compare_gradient(self) -> None:
        """Gradients of a loss w.r.t. the input, batch statistics in use and every random op switched off."""
        gradients = []
        for module in (copy.deepcopy(self.ours), copy.deepcopy(self.theirs)):
            still(module.double().train())
            for parameter in module.parameters():
                parameter.requires_grad_(False)  # only the input's is asked for
            x = sample(self.twin.input).double().requires_grad_()
            result = first_tensor(module(x))
            assert result is not None
            result.square().mean().backward()
            assert x.grad is not None
            gradients.append(x.grad)
        assert relative(*gradients) <= 1e-6


def sample(size: tuple[int, ...], batch: int = 2) -> Tensor:
    """A seeded batch."""
    return torch.randn(batch, *size, generator=torch.Generator().manual_seed(0))


def relative(result: Tensor, expected: Tensor | None) -> float:
    """Largest absolute difference over the largest absolute value."""
    assert expected is not None
    assert result.shape == expected.shape
    assert torch.isfinite(expected).all()
    assert expected.abs().max() > 0
    return float((result - expected).abs().max() / expected.abs().max())


def still(module: nn.Module) -> None:
    """Set every rate of dropout and stochastic depth to 0."""
    for child in module.modules():
        name = type(child).__name__
        if name.startswith("Dropout") or name in ("StochasticDepth", "DropPath"):
            for attribute in ("p", "drop_prob", "rate"):
                if hasattr(child, attribute):
                    setattr(child, attribute, 0.0)
