"""Adaptive gradient clipping against a plain reference, unit by unit in Python."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from archc.elaborate import load
from archc.train.agc import clip
from archc.train.groups import groups
from archc.train.network import make_module
from archc.train.ranks import Ranks
from tests.train.tiny import tiny_recipe


def reference(weight: Tensor, gradient: Tensor, clipping: float, eps: float = 1e-3) -> Tensor:
    """The definition in Brock et al. 2021, one unit after the other."""
    result = gradient.clone()
    for unit in range(len(weight) if weight.ndim > 1 else 1):
        w, g = (weight[unit], gradient[unit]) if weight.ndim > 1 else (weight, gradient)
        length = math.sqrt(sum(float(v) ** 2 for v in w.flatten()))
        slope = math.sqrt(sum(float(v) ** 2 for v in g.flatten()))
        if slope / max(length, eps) > clipping:
            scaled = g * (clipping * max(length, eps) / max(slope, 1e-6))
            if weight.ndim > 1:
                result[unit] = scaled
            else:
                result = scaled
    return result


SHAPES = [(4, 3, 3, 3), (5, 7), (6,), (1,), (), (4, 1, 1, 1), (3, 2, 5, 1)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("clipping", [0.01, 0.5])
def test_agrees_with_the_definition(layout: torch.memory_format, size: float, clipping: float) -> None:
    draw = torch.Generator().manual_seed(3)
    parameters, expected = [], []
    for shape in SHAPES:
        p = nn.Parameter(torch.randn(shape, generator=draw) * 0.1)
        if p.ndim == 4:
            p = nn.Parameter(p.detach().to(memory_format=layout))
        p.grad = torch.randn(shape, generator=draw).mul_(size).to(p)
        p.grad = p.grad.to(memory_format=layout) if p.ndim == 4 else p.grad
        parameters.append(p)
        expected.append(reference(p.detach(), p.grad, clipping))
    clip(parameters, clipping)
    for p, e in zip(parameters, expected, strict=True):
        assert p.grad is not None
        torch.testing.assert_close(p.grad, e, rtol=1e-5, atol=0)
    assert size < 1 or any(not torch.equal(p.grad, e * 2) for p, e in zip(parameters, expected, strict=True))


def test_small_gradients_keep_their_bits() -> None:
    p = nn.Parameter(torch.ones(3, 4))
    p.grad = torch.full((3, 4), 1e-4 / 3)
    before = p.grad.clone()
    clip([p], 0.01)
    assert torch.equal(p.grad, before)


def test_only_the_large_unit_is_clipped() -> None:
    p = nn.Parameter(torch.ones(2, 4))
    p.grad = torch.tensor([[1e-3] * 4, [1.0] * 4])
    clip([p], 0.01)
    assert torch.equal(p.grad[0], torch.full((4,), 1e-3))
    torch.testing.assert_close(p.grad[1], torch.full((4,), 0.01))


def test_zero_weights_are_clipped_to_eps() -> None:
    """Gains start at zero, and still have to learn."""
    gain = nn.Parameter(torch.zeros(()))
    gain.grad = torch.tensor(5.0)
    clip([gain], 0.01)
    torch.testing.assert_close(gain.grad, torch.tensor(1e-5))


def test_frozen_and_missing_gradients_are_passed_over() -> None:
    frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
    missing = nn.Parameter(torch.ones(2, 2))
    live = nn.Parameter(torch.ones(2, 2))
    live.grad = torch.ones(2, 2)
    clip([frozen, missing, live], 0.01)
    assert frozen.grad is None
    assert missing.grad is None
    torch.testing.assert_close(live.grad, torch.full((2, 2), 0.01))
    clip([], 0.01)
    clip([missing], 0.01)


def test_nan_stays_visible() -> None:
    p = nn.Parameter(torch.ones(2, 2))
    p.grad = torch.tensor([[math.nan, 0.0], [1.0, 1.0]])
    clip([p], 0.01)
    assert p.grad.isnan().any()


def test_the_final_linear_is_known_by_its_role() -> None:
    """Of an NFNet the weight of the last linear is not clipped, its bias is; gates' 1×1 convolutions are."""
    graph = load("nfnet_f0")
    with torch.device("meta"):
        module = make_module(graph, tiny_recipe(), Ranks(0, 1, torch.device("meta")))
    found = groups(graph, module)
    assert len(found.heads) == 1
    (head,) = found.heads
    assert dict(module.named_parameters())[head].shape[0] == 1000
    assert found.roles[head] == "linear"
    assert head.replace(".weight", ".bias") in found.roles


def test_only_weights_of_convolutions_and_linear_layers_decay() -> None:
    graph = load("cifar_nf_resnet_16")
    with torch.device("meta"):
        module = make_module(graph, tiny_recipe(), Ranks(0, 1, torch.device("meta")))
    found = groups(graph, module)
    for name, parameter in module.named_parameters():
        assert found.decayed(name) == (parameter.ndim > 1 and not name.endswith("gain")), name
    assert {"gain", "bias", "conv", "linear"} <= set(found.roles.values())
