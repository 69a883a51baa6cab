"""The helpers copied into emitted files: numerically their reference, and alone when printed."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch
from torch import nn

from archc.backends.prelude import helper_source, helpers
from archc.ops.registry import registry
from tests.ops.execute import function, runner
from tests.peers import import_timm, import_torchvision

OPS = registry()


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_ws_conv_is_timms(groups: int, stride: int) -> None:
    timm = import_timm()
    torch.manual_seed(0)
    reference = timm.layers.std_conv.ScaledStdConv2d(8, 12, 3, stride, groups=groups, gamma=1.7, eps=1e-5)
    nn.init.normal_(reference.gain)
    op = OPS["ws_conv"].make(
        channels=12, kernel=3, stride=stride, padding="symmetric", groups=groups, style="timm", gamma=1.7
    )
    ours = runner(op, ((8, 9, 10),))
    ours.inner.load_state_dict(reference.state_dict())
    x = torch.randn(2, 8, 9, 10)
    torch.testing.assert_close(ours(x), reference(x), rtol=1e-6, atol=1e-6)
    ours, reference, x = ours.double(), reference.double(), x.double()
    for module in (ours, reference):
        module(x).square().sum().backward()
    torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=1e-12)
    for name in ("weight", "gain", "bias"):
        found, expected = getattr(ours.inner, name).grad, getattr(reference, name).grad
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("style", ["deepmind", "timm"])
def test_ws_conv_gradient(style: str) -> None:
    """Against finite differences, for kernels above and below the floor of the norm."""
    torch.manual_seed(0)
    ours = runner(
        OPS["ws_conv"].make(channels=3, kernel=2, eps=0.3, style=style), ((2, 3, 3),)
    ).inner.double()
    scale = torch.tensor([1e-2, 0.1, 3.0]).view(3, 1, 1, 1)
    weight = (scale * torch.randn(3, 2, 2, 2, dtype=torch.double)).requires_grad_()
    gain = torch.randn(3, 1, 1, 1, dtype=torch.double, requires_grad=True)

    def kernel(weight: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(Kernel(ours), {"conv.weight": weight, "conv.gain": gain}, ())

    assert torch.autograd.gradcheck(kernel, (weight, gain))


class Kernel(nn.Module):
    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self) -> torch.Tensor:
        return self.conv.standardised()


@pytest.mark.parametrize("padding", ["same", "half"])
def test_ws_conv_is_deepminds(padding: str) -> None:
    """deepmind-research/nfnets/base.py, WSConv2D.standardize_weight, in torch's layout."""
    torch.manual_seed(0)
    op = OPS["ws_conv"].make(channels=6, kernel=3, stride=2, padding=padding, groups=2)
    ours = runner(op, ((8, 9, 10),)).inner
    nn.init.normal_(ours.gain)
    with torch.no_grad():
        ours.weight[0] = 1e-4 * torch.randn_like(ours.weight[0])  # below eps: the maximum acts
    weight = ours.weight.double()
    mean = weight.mean((1, 2, 3), keepdim=True)
    var = weight.var((1, 2, 3), unbiased=False, keepdim=True)
    fan_in = 4 * 3 * 3
    scale = torch.rsqrt(torch.maximum(var * fan_in, torch.tensor(1e-4))) * ours.gain
    expected = (weight * scale - mean * scale).float()
    torch.testing.assert_close(ours.standardised(), expected, rtol=1e-5, atol=1e-6)
    assert ours.standardised()[0].abs().max() < 0.1 < ours.standardised()[1].abs().max()


def test_layer_norm_is_torchvisions() -> None:
    reference = import_torchvision().models.convnext.LayerNorm2d(6, eps=1e-6)
    ours = runner(OPS["layer_norm"].make(), ((6, 4, 5),))
    nn.init.normal_(reference.weight)
    nn.init.normal_(reference.bias)
    ours.inner.load_state_dict(reference.state_dict())
    x = torch.randn(2, 6, 4, 5)
    assert torch.equal(ours(x), reference(x))


def test_grn_is_timms() -> None:
    reference = import_timm().layers.grn.GlobalResponseNorm(6, channels_last=False)
    nn.init.normal_(reference.weight)
    nn.init.normal_(reference.bias)
    ours = runner(OPS["grn"].make(), ((6, 4, 5),))
    with torch.no_grad():
        ours.inner.weight.copy_(reference.weight.view(6, 1, 1))
        ours.inner.bias.copy_(reference.bias.view(6, 1, 1))
    x = torch.randn(2, 6, 4, 5)
    torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=1e-6)


def test_channel_linear_is_a_1x1_convolution() -> None:
    ours = runner(OPS["channel_linear"].make(features=7), ((5, 3, 4),))
    x = torch.randn(2, 5, 3, 4)
    expected = nn.functional.conv2d(x, ours.inner.weight[:, :, None, None], ours.inner.bias)
    torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-6)


def test_channel_shuffle_is_torchs() -> None:
    x = torch.randn(2, 12, 3, 4)
    ours = runner(OPS["channel_shuffle"].make(groups=3), ((12, 3, 4),))
    assert torch.equal(ours(x), nn.functional.channel_shuffle(x, 3))


@pytest.mark.parametrize("rescale", [True, False])
def test_drop_path(rescale: bool) -> None:
    op = OPS["drop_path"].make(rate=0.25, schedule="const", rescale=rescale)
    module = runner(op, ((3, 2, 2),)).train()
    torch.manual_seed(0)
    y = module(torch.ones(4096, 3, 2, 2)).flatten(1)
    assert (y == y[:, :1]).all()  # an example is kept or dropped whole
    kept = 1 / 0.75 if rescale else 1.0
    assert set(y[:, 0].tolist()) == {0.0, torch.tensor(kept).item()}
    assert (y[:, 0] > 0).float().mean().item() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("i/n", [0.0, 0.1, 0.2]),
        ("i/(n-1)", [0.0, 0.15, 0.3]),
        ("const", [0.3, 0.3, 0.3]),
    ],
)
def test_drop_path_schedule(schedule: str, rates: list[float]) -> None:
    make = OPS["drop_path"].make
    found = [make(rate=0.3, schedule=schedule, index=i, total=3).effective_rate for i in range(3)]
    assert found == pytest.approx(rates)
    alone = make(rate=0.3, schedule=schedule, index=0, total=1).effective_rate
    assert alone == (0.3 if schedule == "const" else 0.0)
    assert make(rate=0.3, schedule=schedule).effective_rate == 0.3  # outside of stages


@pytest.mark.parametrize("name", list(helpers()))
def test_helper_stands_alone(name: str) -> None:
    imports, sources = helper_source([name])
    text = "\n".join([*imports, *sources])
    assert "archc" not in text
    namespace: dict[str, object] = {}
    exec(compile(text, name, "exec"), namespace)
    assert callable(namespace[name])
    assert function(name).__doc__


def test_helper_order() -> None:
    _, sources = helper_source(["max_pool2d_same", "avg_pool2d_same", "SamePadConv2d"])
    assert len(sources) == 4 and sources[0].startswith("def same_pad(")
    with pytest.raises(KeyError):
        helper_source(["eval"])


def test_helper_source_needs_no_torch() -> None:
    code = (
        "import sys, archc.backends.prelude as p, archc.backends.initial;"
        "from archc.ops.registry import registry; registry();"
        "p.helper_source(p.helpers());"
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'pydantic', 'networkx', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


HELPED = [
    pytest.param(cls.make(**arguments), shapes, id=f"{name}-{i}")
    for name, cls in OPS.items()
    for i, (arguments, shapes) in enumerate(cls.samples)
    if shapes
    and any(
        c is not None and "." not in c.target
        for code in [cls.make(**arguments).torch(shapes, cls.make(**arguments).shape(*shapes))]
        for c in (code.module, code.forward)
    )
]


@pytest.mark.parametrize(("op", "shapes"), HELPED)
def test_traces_with_a_dynamic_batch(op: object, shapes: tuple[tuple[int, ...], ...]) -> None:
    module = runner(op, shapes).eval()
    if isinstance(module.inner, nn.Module):
        module = module.inner
    inputs = tuple(torch.randn(2, *s) for s in shapes)
    batch = torch.export.Dim("batch", min=1)
    sizes = tuple({0: batch} for _ in inputs)
    takes = inspect.signature(module.forward).parameters.values()
    variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in takes)
    program = torch.export.export(module, inputs, dynamic_shapes=(sizes,) if variadic else sizes)
    more = tuple(torch.randn(5, *s) for s in shapes)
    torch.testing.assert_close(program.module()(*more), module(*more))
    compiled = torch.compile(module.train(), fullgraph=True, backend="eager")
    assert compiled(*inputs).shape == module(*inputs).shape
