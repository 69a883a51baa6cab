"""Output sizes and padding of windows, against torch and TensorFlow's formula."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.backends.prelude.same_pad import same_pad
from archc.ops.base import OpError
from archc.ops.geometry import resolve_padding, window_output
from archc.ops.registry import registry
from tests.ops.execute import runner
from tests.peers import import_timm

OPS = registry()
side = st.integers(1, 40)


@settings(max_examples=300, deadline=None)
@given(side, side, st.integers(1, 7), st.integers(1, 5), st.integers(0, 3), st.booleans(), st.booleans())
def test_pool_sizes(h: int, w: int, kernel: int, stride: int, padding: int, ceil: bool, mean: bool) -> None:
    name, torch_pool = ("avg_pool", F.avg_pool2d) if mean else ("max_pool", F.max_pool2d)
    x = torch.zeros(1, 1, h, w)
    try:
        expected = torch_pool(x, kernel, stride, padding, ceil_mode=ceil).shape[2:]
    except RuntimeError:
        expected = None
    try:
        op = OPS[name].make(kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil)
        found = op.shape((1, h, w))[1:]
    except OpError as e:
        assert e.code in ("E0310", "E0311")
        found = None
        # torch lets ceil_mode stretch a window over an input it does not fit; archc calls that a mistake
        assert expected is None or (ceil and kernel > min(h, w) + 2 * padding)
        return
    assert expected is not None and found == tuple(expected)


@settings(max_examples=200, deadline=None)
@given(
    side, side, st.integers(1, 5), st.integers(1, 4), st.integers(1, 3),
    st.sampled_from(["half", "symmetric", "same", "valid", 0, 1, (2, 1)]),
)  # fmt: skip
def test_conv_sizes(h: int, w: int, kernel: int, stride: int, dilation: int, padding: object) -> None:
    op = OPS["conv"].make(channels=2, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    try:
        expected = op.shape((1, h, w))
    except OpError as e:
        assert e.code == "E0310"
        with pytest.raises(RuntimeError):
            F.conv2d(
                torch.zeros(1, 1, h, w),
                torch.zeros(1, 1, kernel, kernel),
                padding=resolve_padding(op.padding, op.kernel, op.stride, op.dilation)[0],
                dilation=dilation,
            )
        return
    assert tuple(runner(op, ((1, h, w),))(torch.zeros(1, 1, h, w)).shape[1:]) == expected


# size, kernel, stride, dilation -> (before, after): ⌈x/s⌉ windows, the odd pixel after
SAME = [
    (224, 3, 2, 1, (0, 1)),
    (225, 3, 2, 1, (1, 1)),
    (224, 7, 2, 1, (2, 3)),
    (224, 5, 2, 1, (1, 2)),
    (7, 3, 1, 1, (1, 1)),
    (8, 2, 1, 1, (0, 1)),
    (9, 3, 2, 2, (2, 2)),
    (10, 1, 2, 1, (0, 0)),
    (5, 2, 4, 1, (0, 1)),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "dilation", "expected"), SAME)
def test_same_padding(size: int, kernel: int, stride: int, dilation: int, expected: tuple[int, int]) -> None:
    x = torch.ones(1, 1, size, 1)
    padded = same_pad(x, (kernel, 1), (stride, 1), (dilation, 1)).flatten()
    assert (padded.argmax().item(), padded.flip(0).argmax().item()) == expected
    windows = window_output("conv", (1, size, 1), (kernel, 1), (stride, 1), "same", (dilation, 1))[0]
    assert windows == -(-size // stride) == (len(padded) - dilation * (kernel - 1) - 1) // stride + 1


@pytest.mark.parametrize(
    ("kernel", "stride", "half", "symmetric"),
    [(3, 3, 1, 2), (7, 4, 3, 4), (2, 2, 0, 1), (4, 4, 1, 3), (3, 1, 1, 1), (7, 2, 3, 3)],
)
def test_conventions(kernel: int, stride: int, half: int, symmetric: int) -> None:
    k, s = (kernel, kernel), (stride, stride)
    assert resolve_padding("half", k, s, (1, 1)) == ((half, half), False)
    assert resolve_padding("symmetric", k, s, (1, 1)) == ((symmetric, symmetric), False)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 1), (3, 1), (1, 2)])
def test_same_pools_match_timm(size: int, kernel: int, stride: int) -> None:
    pool2d_same = import_timm().layers.pool2d_same
    torch.manual_seed(0)
    x = torch.randn(2, 3, size, size) - 2  # mostly negative: zero padding would win a maximum
    k, s = (kernel, kernel), (stride, stride)
    for name, reference in (
        ("max_pool", pool2d_same.max_pool2d_same(x, k, s)),
        ("avg_pool", pool2d_same.avg_pool2d_same(x, k, s)),
    ):
        op = OPS[name].make(kernel=kernel, stride=stride, padding="same")
        torch.testing.assert_close(runner(op, ((3, size, size),))(x), reference, rtol=0, atol=1e-6)


def test_same_average_excludes_padding() -> None:
    """TensorFlow's average: of ones it is one everywhere, at the border too."""
    op = OPS["avg_pool"].make(kernel=3, stride=2, padding="same", count_include_pad=False)
    y = runner(op, ((2, 8, 7),))(torch.ones(1, 2, 8, 7))
    assert torch.equal(y, torch.ones_like(y))


def test_nf_shortcut_pool() -> None:
    """ResNet-D and NF-Net shortcuts: average pool 2, ceil, padding excluded (timm)."""
    op = OPS["avg_pool"].make(kernel=2, ceil_mode=True, count_include_pad=False)
    assert op.shape((4, 7, 9)) == (4, 4, 5)
    assert op.step == (2, 2)
    assert OPS["max_pool"].make(kernel=3, stride=2, ceil_mode=True).shape((1, 112, 112)) == (1, 56, 56)
    assert OPS["max_pool"].make(kernel=3, stride=2).shape((1, 112, 112)) == (1, 55, 55)
