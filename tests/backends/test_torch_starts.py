"""How emitted modules start: each layer once, whole, and after a stay on the meta device too."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

import archc
from archc.backends import torch_module
from tests.backends import graphs
from tests.backends.test_torch_source import op_samples, sample_graph

NETWORKS = (
    "googlenet",
    "shufflenet_v2_x1_0",
    "convnext_tiny",
    "seresnet50",
    "nf_regnet_b1",
    "unet",
    "wide_resnet50_2",
)


@contextmanager
def empty_is_nan() -> Iterator[None]:
    """Within it, memory that nobody has set holds NaN, or the largest integer."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def unset(module: nn.Module) -> list[str]:
    """What holds memory that nobody has set."""
    top = torch.iinfo(torch.int64).max
    return [
        key
        for key, t in module.state_dict().items()
        if (not torch.isfinite(t).all() if t.is_floating_point() else bool((t == top).any()))
    ]


def start(module: nn.Module) -> None:
    """What one does after `to_empty`."""
    for child in module.modules():
        if hasattr(child, "init_weights"):
            child.init_weights()


@pytest.mark.parametrize("make", graphs.ALL)
def test_every_parameter_is_started(make: Any) -> None:
    with empty_is_nan():
        assert unset(torch_module.compile(make())) == []


@pytest.mark.parametrize("name, index", op_samples())
def test_every_op_is_started(name: str, index: int) -> None:
    with empty_is_nan():
        assert unset(torch_module.compile(sample_graph(name, index))) == []


def test_memory_nobody_has_set_is_found() -> None:
    with empty_is_nan(), torch.device("meta"):
        module = nn.BatchNorm2d(3)
    with empty_is_nan():
        assert set(unset(module.to_empty(device="cpu"))) == set(module.state_dict())


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_start_here_and_after_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        there = archc.compile(archc.load(name))
    with empty_is_nan():
        torch.manual_seed(3)
        here = type(there)()
        assert unset(here) == []
        there.to_empty(device="cpu")
        assert unset(there)
        torch.manual_seed(3)
        start(there)
        assert unset(there) == []
    for key, value in there.state_dict().items():
        other = here.state_dict()[key]
        assert value.shape == other.shape
        if value.numel() > 1000:
            torch.testing.assert_close(value.std(), other.std(), rtol=0.2, atol=1e-7)


def test_layers_are_torchs_own_and_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(self: nn.Module) -> None:
        raise AssertionError("drawn by torch too")

    monkeypatch.setattr(nn.Conv2d, "reset_parameters", twice)
    module = archc.compile(archc.load("resnet18"))
    convs = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 20
    assert all(type(m) is nn.Conv2d and "reset_parameters" not in vars(m) for m in convs)
    monkeypatch.undo()
    for layer in (copy.deepcopy(convs[3]), pickle.loads(pickle.dumps(convs[3]))):  # made here
        assert torch.equal(layer.weight, convs[3].weight)
        layer.reset_parameters()
        assert not torch.equal(layer.weight, convs[3].weight)
