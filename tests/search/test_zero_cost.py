"""Zero-cost scores, against what they are by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archc.search.trial import Hopeless
from archc.search.zero_cost import grad_norm, jacob_cov, naswot, synflow

IMAGES = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def network(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), *layers)


def test_synflow_of_a_linear_chain_is_its_paths() -> None:
    torch.manual_seed(0)
    one, two = nn.Linear(48, 5, bias=False), nn.Linear(5, 3, bias=False)
    paths = (two.weight.abs() @ one.weight.abs()).sum()  # each path counted once for each of its two weights
    assert synflow(network(one, nn.ReLU(), two), IMAGES, LABELS) == pytest.approx(
        math.log(2 * paths.item()), rel=1e-6
    )


def test_grad_norm_is_of_the_loss() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(48, 3)
    loss = F.cross_entropy(layer(IMAGES.flatten(1)), LABELS)
    expected = sum(g.norm().item() for g in torch.autograd.grad(loss, list(layer.parameters())))
    assert grad_norm(network(layer), IMAGES, LABELS) == pytest.approx(expected, rel=1e-5)


def test_naswot_compares_codes() -> None:
    layer = nn.Linear(48, 8)
    on = (layer(IMAGES.flatten(1)) > 0).double()
    agreeing = torch.tensor([[(a == b).sum().item() for b in on] for a in on], dtype=torch.float64)
    expected = torch.linalg.slogdet(agreeing).logabsdet.item()
    found = naswot(nn.Sequential(nn.Flatten(), layer, nn.ReLU(), nn.Linear(8, 3)), IMAGES, LABELS)
    assert found == pytest.approx(expected, rel=1e-6)
    with pytest.raises(Hopeless, match="has none"):
        naswot(network(nn.Linear(48, 3), nn.GELU()), IMAGES, LABELS)


def test_jacob_cov_prefers_gradients_that_differ() -> None:
    same = network(nn.Linear(48, 3))  # linear: the same gradient at every image
    differing = network(nn.Linear(48, 64), nn.Tanh(), nn.Linear(64, 3))
    assert jacob_cov(differing, IMAGES, LABELS) > jacob_cov(same, IMAGES, LABELS)
    rank_one = torch.tensor([1e-5] * 5 + [6 + 1e-5], dtype=torch.float64)
    expected = -(rank_one.log() + 1 / rank_one).sum().item()
    assert jacob_cov(same, IMAGES, LABELS) == pytest.approx(expected, rel=1e-2)
