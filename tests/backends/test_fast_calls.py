"""The calls that the packed form chooses among: each computes the plain convolution."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.backends.prelude.channel_shuffle import channel_shuffle
from archc.backends.prelude.fastest import Fastest
from archc.backends.prelude.packed_conv2d import PackedConv2d
from archc.backends.prelude.packed_shuffle import packed_shuffle
from archc.backends.prelude.parts import Parts
from archc.backends.prelude.winograd import Winograd


def close(found: Tensor, expected: Tensor) -> bool:
    return float((found - expected).abs().max()) <= 2e-6 * float(expected.abs().max())


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    ("batch", "size", "padding", "bias"),
    [
        (1, (16, 16), (1, 1), True),
        (5, (32, 29), (1, 1), True),  # three images at a time, then two
        (3, (7, 13), (0, 0), False),
        (2, (9, 4), (2, 0), True),
        (16, (4, 4), (1, 1), False),
    ],
)
def test_winograd(
    grouped: bool, batch: int, size: tuple[int, int], padding: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(0)
    x = torch.randn(batch, 40, *size).contiguous(memory_format=torch.channels_last)
    weight, shift = torch.randn(24, 40, 3, 3), torch.randn(24) if bias else None
    with torch.inference_mode():
        way = Winograd(weight, shift, list(padding), x.shape, grouped)
        expected = F.conv2d(
            x.double(), weight.double(), None if shift is None else shift.double(), padding=padding
        )
        assert close(way(x), expected)
        wide = torch.cat([x, x], 1)[:, 7:47]
        expected = F.conv2d(wide, weight, shift, padding=padding)
        assert close(way(wide), expected), "a slice of channels"


@pytest.mark.parametrize(
    "act", ["none", "relu", "relu6", "silu", "gelu", "sigmoid", "hardswish", "hardsigmoid", "tanh"]
)
@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (3, 1)])
def test_every_way_with_every_activation(act: str, kernel: int, padding: int) -> None:
    torch.manual_seed(0)
    layer = PackedConv2d(32, 32, (kernel, kernel), padding=(padding, padding), act=act)
    x = torch.randn(4, 32, 9, 8).contiguous(memory_format=torch.channels_last)
    other = torch.randn(4, 32, 9, 8) if act in ("none", "relu") else None
    expected = layer(x, other).detach()
    given = None if other is None else other.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        packed = layer.pack()
        ways = [packed._packed(x.shape), packed._plain, *packed._others(x.shape)]
        assert len(ways) == (3 if kernel == 1 else 4)
        for way in ways:
            before = None if given is None else given.clone()
            torch.testing.assert_close(way(x, given), expected, rtol=1e-4, atol=1e-5)
            assert given is None or torch.equal(given, before), "the shortcut stays as it was"


def test_the_quickest_stays_and_the_hopeless_drop_out() -> None:
    chosen = Fastest(torch.randn(4, 4, 1, 1), None, (1, 1), (0, 0), (1, 1), 1, "none")
    ways = [lambda x, other, name=name: name for name in "abc"]
    seconds = {"a": 1.0, "b": 0.5, "c": 9.0}
    turns, asked = chosen._turns(ways), []
    way = next(turns)
    with pytest.raises(StopIteration) as end:
        while True:
            asked.append(way(None, None))
            way = turns.send(seconds[asked[-1]])
    assert end.value.value is ways[1]
    assert asked.count("c") == 3
    assert asked.count("b") == chosen.rounds
    turns = chosen._turns(ways)
    way = next(turns)
    with pytest.raises(StopIteration) as end:
        while True:
            way = turns.send({"a": 1.0, "b": 0.97, "c": 0.99}[way(None, None)])
    assert end.value.value is ways[0], "what is hardly faster is not worth it"


class Section(nn.Module):
    """A convolution, alone or with its input; counts its calls and the images in them."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = PackedConv2d(4, 4, (3, 3), padding=(1, 1))
        self.outputs = outputs
        self.batches: list[int] = []

    def forward(self, x: Tensor, y: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        self.batches.append(len(x))
        found = self.conv(x) + y
        return found if self.outputs == 1 else (found, x)


@pytest.mark.parametrize("outputs", [1, 2])
def test_sections_run_in_parts_and_whole(outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module, parts = Section(outputs), Parts()
    x, y = torch.randn(6, 4, 8, 8), torch.randn(6, 4, 8, 8)
    expected = module(x, y)
    monkeypatch.setattr(Parts, "most", 4 * x[0].numel())
    with torch.inference_mode():
        for _ in range(60):
            torch.testing.assert_close(parts("s1", module, x, y), expected, rtol=1e-4, atol=1e-5)
            if not parts.choosing:
                break
        assert not parts.choosing
        assert not module.conv.packed.choosing
        assert set(module.batches) == {6, 3}, "two parts of three images, not of four and two"
        assert parts("s1", module, x[:3], y[:3]) is not None
        assert len(parts.runs) == 1, "small batches run whole, untried"
        assert not copy.deepcopy(parts).runs
        monkeypatch.setattr(Parts, "margin", float("inf"))  # as if parts were faster
        again, module.batches = Parts(), []
        while not again.runs or again.choosing:
            again("s1", module, x, y)
        module.batches.clear()
        torch.testing.assert_close(again("s1", module, x, y), expected, rtol=1e-4, atol=1e-5)
        assert module.batches == [3, 3]
        monkeypatch.setattr(Parts, "most_runs", 1)
        again("s2", module, x, y)
        assert module.batches == [3, 3, 6] and len(again.runs) == 1, "no more shapes are tried"
    module.batches.clear()
    again("s1", module, x, y)
    assert module.batches == [6], "with gradients"


def test_shuffles_keep_channels_last() -> None:
    x = torch.randn(2, 12, 3, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    for groups in (2, 3, 4):
        expected = channel_shuffle(x, groups)
        with torch.inference_mode():
            found = packed_shuffle(last, groups)
            assert torch.equal(found, expected)
            assert found.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(packed_shuffle(torch.cat([last, last], 1)[:, :12], groups), expected), (
                "a slice"
            )
            assert torch.equal(packed_shuffle(x, groups), expected), "contiguous"
        assert torch.equal(packed_shuffle(last, groups), expected), (
            "after an order was kept in inference mode"
        )
        (gradient,) = torch.autograd.grad(packed_shuffle(x.requires_grad_(), groups).sum(), x)
        assert torch.equal(gradient, torch.ones_like(x))


def test_threads_may_choose_together(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module, parts = Section(1), Parts()
    x, y = torch.randn(6, 4, 8, 8), torch.randn(6, 4, 8, 8)
    expected = module(x, y).detach()
    monkeypatch.setattr(Parts, "most", 4 * x[0].numel())

    def calls(_: int) -> bool:
        with torch.inference_mode():
            return all(
                torch.allclose(parts("s1", module, x, y), expected, rtol=1e-4, atol=1e-5) for _ in range(60)
            )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(calls, range(4)))
    assert calls(0)  # the turns that were left, where threads stood in each other's way
    assert not parts.choosing
    assert not module.conv.packed.choosing
