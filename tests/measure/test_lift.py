"""Lifting torch modules: what is recognised, how it reads, and that it builds the same network again."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archc
from archc.diagnostics import ArchError, Source
from archc.measure.foreign import make_foreign
from archc.measure.lift.lift import Lifted, lift
from archc.measure.lift.trace import trace
from archc.syntax.format import format_source
from benchmarks.lift import PAGE, RECORD, names, page
from benchmarks.record import read
from tests.peers import import_timm, import_torchvision, peer

SHAPE = (3, 32, 32)


def lifted(module: nn.Module) -> Lifted:
    """The module lifted; equal to it, and in canonical form."""
    found = lift(module, SHAPE, "net", "tests:net")
    assert found.ok, found.report
    assert format_source(Source("net.arch", found.text)) == found.text
    return found


class Residual(nn.Module):
    def __init__(self, width: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.down = nn.Conv2d(width, out, 1, stride) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True))
        y += x if self.down is None else self.down(x)
        return F.relu_(y)


def residual_net() -> nn.Module:
    return nn.Sequential(OrderedDict(
        stem=nn.Conv2d(3, 8, 3, 2, 1),
        one=nn.Sequential(*(Residual(8, 8) for _ in range(3))),
        two=nn.Sequential(Residual(8, 16, 2), Residual(16, 16), Residual(16, 16)),
        three=nn.Sequential(Residual(16, 32, 2)),
        pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), drop=nn.Dropout(0.1), fc=nn.Linear(32, 10),
    ))  # fmt: skip


def test_repeats_blocks_and_parameters() -> None:
    found = lifted(residual_net())
    assert "block residual(x, width: int) {" in found.text
    assert "block residual_down(x, width: int) {" in found.text
    for line in (
        "  stem  conv(8, 3, 2, bias = true)",
        "  stage one: 3 x residual(8)",
        "  stage two: residual_down(16) -> 2 * residual(16)",
        "  stage three: 1 x residual_down(32)",
        "  head  global_avg_pool -> dropout(0.1) -> linear(10)",
    ):
        assert line in found.text, found.text
    assert f"expect params = {found.graph.cost.params:_}, macs = {found.graph.cost.macs:_}" in found.text


def test_in_place_operators_change_what_is_read_later() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            F.relu_(y)
            return y + y.sigmoid()

    assert "relu" in lifted(Net()).text


def test_a_strided_first_makes_one_stage() -> None:
    """The repetitions of a stage get a stride of 1: one block whose stride differs is one stage."""

    class Unit(nn.Module):
        def __init__(self, width: int, stride: int) -> None:
            super().__init__()
            self.a = nn.Conv2d(width, 8, 1)
            self.b = nn.Conv2d(8, 8, 3, stride, 1, groups=8)
            self.c = nn.Conv2d(8, 8, 1)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = F.silu(self.c(F.relu6(self.b(F.relu6(self.a(x))))))
            return made

    net = nn.Sequential(
        nn.Conv2d(3, 8, 1), *(Unit(8, 2 if i == 0 else 1) for i in range(3)), nn.Conv2d(8, 4, 1)
    )
    text = lifted(net).text
    assert "stage 3 x unit(stride = 2)" in text
    assert "set bias = true" in text


def operators() -> dict[str, nn.Module]:
    """Modules of one operator each, by what must be in their text."""

    class Do(nn.Module):
        def __init__(self, what: object, channels: int = 12) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, channels, 3)
            self.what = what

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.what(self.conv(x))  # type: ignore[operator]  # a function
            return made

    def shuffle(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)

    def halves(x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        return torch.cat([b, a.tanh()], 1)

    return {
        "channel_shuffle(3)": Do(shuffle),
        "slice_channels(0, 6)": Do(halves),
        "pad(top = 1, bottom = 2, left = 3, right = 4)": Do(lambda x: F.pad(x, (3, 4, 1, 2))),
        "crop(29, 29, top = 1, left = 1)": Do(lambda x: F.pad(x, (-1, 1, -1, 1))),
        'max_pool(3, 2, padding = "same")': Do(lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)),
        "max_pool(3, 2, ceil_mode = true)": Do(lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)),
        "avg_pool(2, 1, padding = 1, count_include_pad = false)": Do(lambda x: F.avg_pool2d(x, 2, 1, 1, False, False)),
        'upsample(factor = 2, mode = "bilinear")': Do(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")),
        "upsample(size = (31, 40))": Do(lambda x: F.interpolate(x, (31, 40))),
        "hard_swish -> scale(0.5)": Do(lambda x: F.hardswish(x) * 0.5),
        "adaptive_avg_pool((2, 3))": Do(lambda x: F.adaptive_avg_pool2d(x, (2, 3))),
        "pixel_shuffle(2)": Do(lambda x: F.pixel_shuffle(x, 2)),
        "group_norm(groups = 4)": Do(nn.GroupNorm(4, 12)),
        "crop(20, 30, top = 4)": Do(lambda x: x[:, :, 4:24]),
        "* gate": Do(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()),
        "flatten": Do(lambda x: x.flatten(1)),
        "conv_transpose(6, 2, 2)": Do(nn.ConvTranspose2d(12, 6, 2, 2)),
    }  # fmt: skip


@pytest.mark.parametrize("text", operators())
def test_an_operator(text: str) -> None:
    assert text in lifted(operators()[text]).text


class Subsampled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x[:, :, 1:, 1:][:, :, ::2, ::3]) + F.relu(F.max_pool2d(x, 1, (2, 3)))[:, :, :, :11]


def test_every_nth_pixel_is_a_pool_of_single_pixels() -> None:
    assert lifted(Subsampled()).text.count("max_pool(1") >= 3


def test_same_padding_joins_its_convolution() -> None:
    class Same(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(F.pad(x, (0, 1, 0, 1)))

    assert 'conv(4, 3, 2, padding = "same", bias = true)' in lifted(Same(3, 4, 3, 2)).text


def test_the_keymap_reads_the_modules_checkpoint() -> None:
    net = residual_net()
    found = lifted(net)
    state = net.state_dict()
    ours = archc.compile(found.graph)
    given = {
        t.key: state[theirs].reshape(t.shape or state[theirs].shape)
        for theirs, t in found.report.keymap.items()
    }
    ours.load_state_dict({**ours.state_dict(), **given})
    x = torch.randn(3, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(x), net.eval()(x), rtol=1e-5, atol=1e-6)


class Response(nn.Module):
    """ConvNeXt V2's normalisation as timm writes it; shares: of the mean norm that is divided by."""

    def __init__(self, last: bool = False, shares: float = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)
        self.weight = nn.Parameter(torch.rand(6))
        self.bias = nn.Parameter(torch.rand(6))
        self.last, self.shares = last, shares

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        shape, space, channels = ((6, 1, 1), (2, 3), 1)
        if self.last:
            y, shape, space, channels = y.permute(0, 2, 3, 1), (1, 1, 6), (1, 2), -1
        norm = y.norm(p=2, dim=space, keepdim=True)
        shared = norm if self.shares == 1 else norm * self.shares
        ratio = shared / (norm.mean(dim=channels, keepdim=True) + 1e-5)
        y = y + torch.addcmul(self.bias.view(1, *shape), self.weight.view(1, *shape), y * ratio)
        return y.permute(0, 3, 1, 2) if self.last else y


@pytest.mark.parametrize("last", [False, True])
def test_a_global_response_normalisation(last: bool) -> None:
    assert "conv(6, 1, bias = true) -> grn(eps = 1e-05)" in lifted(Response(last)).text


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.first(self.first(x))
        return made


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 4, 1), nn.MultiheadAttention(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner[0](x).flatten(2).permute(2, 0, 1)
        made: Tensor = self.inner[1](y, y, y)[0]
        return made


class Depends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(x)
        return made if float(made.sum()) > 0 else -made


@pytest.mark.parametrize(
    ("module", "code", "message"),
    [
        (Twice(), "E0632", "first.weight is used a second time, and archc does not share weights, in first (Conv2d)"),
        (Attention(), "E0632", "changes the order of dimensions"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmin(1)), "E0632", "archc has no primitive for aten.neg.default, in 1 (Softmin)"),
        (Response(shares=2), "E0632", "what follows is no global response normalisation"),
        (Depends(), "E0631", "torch.export cannot trace the module"),
    ],
)  # fmt: skip
def test_what_has_no_words(module: nn.Module, code: str, message: str) -> None:
    with pytest.raises(ArchError) as caught:
        trace(module, (SHAPE,))
    (problem,) = caught.value.diagnostics
    assert problem.code == code
    assert message in problem.message


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_torchvisions(name: str) -> None:
    import_torchvision()
    found = lift(make_foreign(f"torchvision:{name}"), SHAPE, name, f"torchvision:{name}")
    assert found.ok
    assert len(found.text.splitlines()) < 70


def test_a_dense_block_is_a_loop() -> None:
    import_torchvision()
    net = peer("torchvision.models.densenet").DenseNet(8, (2, 3), 16, 2, num_classes=5)
    text = lifted(net).text
    assert "  for i in 0..layers { xs += [dense_layer(xs)] }" in text
    assert "stage 1 x dense_block(2)" in text
    assert "-> avg_pool(2) -> dense_block(3)" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nf_regnet_b1", "tf_efficientnet_b0", "resnetv2_50", "convnextv2_atto"])
def test_timms(name: str) -> None:
    import_timm()
    assert lift(make_foreign(f"timm:{name}"), (3, 64, 64), name, f"timm:{name}").ok


def test_the_page_is_that_of_the_record() -> None:
    rows = read(RECORD)
    assert set(names()) >= rows.keys()
    assert PAGE.read_text() == page(PAGE.read_text(), rows), "run `python -m benchmarks.lift --page`"
    assert sum("reason" not in row for row in rows.values()) >= 50
