"""Optimizers beside other implementations: timm's LAMB and RMSprop, and the definition of sharpness-aware steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.train.optimizers import Lamb, RMSprop
from archc.train.sam import Sharpness
from tests.peers import import_timm, peer

SHAPES = [(4, 3, 3, 3), (5, 7), (6,), ()]
STEPS = 8


def weights() -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=draw) * 0.3) for shape in SHAPES]


def walk(parameters: list[nn.Parameter], optimizer: Any, rates: Callable[[int], float]) -> list[Tensor]:
    """The weights after some steps on fixed gradients of very different sizes, at a changing rate."""
    draw = torch.Generator().manual_seed(2)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rates(step)
        for p in parameters:
            p.grad = torch.randn(p.shape, generator=draw) * 10.0 ** (step % 3 - 1)
        optimizer.step()
    return [p.detach() for p in parameters]


def split(parameters: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Groups as the trainer makes them: matrices decay, vectors and scalars do not."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_lamb_steps_as_timms(decay: float) -> None:
    import_timm()
    optim = peer("timm.optim")
    ours, theirs = weights(), weights()
    own = Lamb(split(ours, decay), lr=0.1, betas=(0.9, 0.999), eps=1e-6)
    timms = optim.Lamb(split(theirs, decay), lr=0.1, betas=(0.9, 0.999), eps=1e-6, max_grad_norm=None)
    for a, b in zip(
        walk(ours, own, lambda s: 0.1 / (s + 1)), walk(theirs, timms, lambda s: 0.1 / (s + 1)), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("decay", "momentum"), [(0.0, 0.0), (1e-2, 0.9)])
def test_rmsprop_steps_as_timms(decay: float, momentum: float) -> None:
    import_timm()
    optim = peer("timm.optim")
    ours, theirs = weights(), weights()
    own = RMSprop(split(ours, decay), lr=0.1, alpha=0.9, eps=1e-3, momentum=momentum)
    timms = optim.RMSpropTF(split(theirs, decay), lr=0.1, alpha=0.9, eps=1e-3, momentum=momentum)
    for a, b in zip(
        walk(ours, own, lambda s: 0.1 / (s + 1)), walk(theirs, timms, lambda s: 0.1 / (s + 1)), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=1e-6)


def test_a_sharpness_aware_step_is_the_papers() -> None:
    """g(w + ρ·g(w)/‖g(w)‖) at w (Foret et al. 2021, equations 2 and 3), on a quartic; and w is back to the bit."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2).double()
    x, radius = torch.randn(5, 3, dtype=torch.float64), 0.3

    def slope(weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        """The gradient of mean((x·wᵀ + b)⁴), by hand."""
        out = x @ weight.T + bias
        inner = 4 * out**3 / out.numel()
        return inner.T @ x, inner.sum(0)

    def backward() -> None:
        module.zero_grad()
        (module(x) ** 4).mean().backward()

    before = [p.detach().clone() for p in module.parameters()]
    own = slope(*before)
    length = torch.sqrt(sum((g**2).sum() for g in own))
    expected = slope(*(p + radius * g / length for p, g in zip(before, own, strict=True)))
    sharpness = Sharpness(radius)
    backward()
    sharpness.climb(module)
    assert not any(torch.equal(p, b) for p, b in zip(module.parameters(), before, strict=True))
    backward()
    sharpness.return_()
    for p, b, e in zip(module.parameters(), before, expected, strict=True):
        assert torch.equal(p, b)
        torch.testing.assert_close(p.grad, e, rtol=1e-9, atol=1e-12)
