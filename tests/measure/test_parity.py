"""`parity` copies weights whatever the order of branches, and names the operator where two networks part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.backends import torch_module
from archc.measure.parity import Report, parity
from archc.measure.weights import load_weights, save_keymap
from tests.backends import graphs
from tests.elaborate.support import arch
from tests.peers import import_torchvision


class Block(nn.Module):
    """Their bottleneck: other names, the projection first."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.down = None
        if stride != 1 or before != width:
            self.down = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        mid = width // 4
        self.a = nn.Conv2d(before, mid, 1, bias=False)
        self.b = nn.Conv2d(mid, mid, 3, stride, 1, bias=False)
        self.c = nn.Conv2d(mid, width, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(mid), nn.BatchNorm2d(mid), nn.BatchNorm2d(width)])
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x) if self.down else x
        x = self.act(self.norms[0](self.a(x)))
        x = self.act(self.norms[1](self.b(x)))
        return self.act(self.norms[2](self.c(x)) + skip)


class Theirs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        blocks = [Block(8 if i == 0 else 32, 32, 1) for i in range(3)]
        blocks += [Block(32 if i == 0 else 64, 64, 2 if i == 0 else 1) for i in range(3)]
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Conv2d(64, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.entry(x))
        return self.classifier(F.adaptive_avg_pool2d(x, 1)).flatten(1)


def compare(theirs: nn.Module) -> Report:
    return parity(torch_module.compile(graphs.residual()), theirs, torch.randn(2, 3, 32, 32))


def test_equal_networks_with_another_order_of_branches() -> None:
    theirs = Theirs()
    before = {k: v.clone() for k, v in theirs.state_dict().items()}
    report = compare(theirs)
    assert report.ok
    assert report.first is None
    assert report.error < 1e-12
    assert not report.differences
    assert report.matched == 2 + 6 * 6 + 2 * 2 + 1
    assert report.keymap["blocks.0.down.0.weight"].key == "s1.0.shortcut.conv1.weight"
    assert report.keymap["blocks.4.norms.1.running_var"].key == "s2.1.batch_norm2.running_var"
    assert report.keymap["classifier.weight"].shape == (10, 64)
    assert theirs.training
    assert all(
        torch.equal(v, before[k]) and v.dtype == before[k].dtype for k, v in theirs.state_dict().items()
    )


class Beside(nn.Module):
    """A normalisation, and beside it one after a depthwise 1×1: as in MobileOne, the other way round than ours."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = nn.BatchNorm2d(8)
        self.scale = nn.Conv2d(8, 8, 1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.skip(x) + self.norm(self.scale(x)))


def test_a_depthwise_1x1_is_not_taken_for_the_scale_of_a_normalisation() -> None:
    ours = arch("  x = sum([x -> conv(8, 1, groups = 8) -> batch_norm, x -> batch_norm]) -> relu")
    report = parity(torch_module.compile(ours), Beside(), torch.randn(2, 8, 16, 16))
    assert report.ok
    assert report.keymap["scale.weight"].key == "conv.weight"


def test_the_keymap_loads_their_weights(tmp_path: Any) -> None:
    from safetensors.torch import save_file

    theirs = Theirs().eval()
    report = compare(theirs)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours = torch_module.compile(graphs.residual()).eval()
    load_weights(ours, tmp_path / "theirs.safetensors", report.keymap)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(x), theirs(x))
    save_keymap(report.keymap, tmp_path / "map.json")
    assert (tmp_path / "map.json").stat().st_size > 1000


def set_eps(net: Theirs) -> None:
    net.blocks[2].norms[1].eps = 1e-3


def set_stride(net: Theirs) -> None:
    net.blocks[3].a.stride, net.blocks[3].b.stride = (2, 2), (1, 1)


def set_dilation(net: Theirs) -> None:
    net.blocks[1].b.dilation = net.blocks[1].b.padding = (2, 2)


@pytest.mark.parametrize(
    "change, path, parameters",
    [
        (set_eps, "s1.2.batch_norm2", {"eps"}),
        (set_stride, "s2.0.conv1", {"stride"}),
        (set_dilation, "s1.1.conv2", {"dilation", "padding"}),
    ],
)
def test_the_attribute_that_differs_is_named(
    change: Callable[[Theirs], None], path: str, parameters: set[str]
) -> None:
    theirs = Theirs()
    change(theirs)
    report = compare(theirs)
    assert not report.ok
    assert report.error > 1e-6
    assert report.first is not None
    assert (report.first.ours, report.first.where) == (path, "output")
    assert {d.parameter for d in report.first.differences} == parameters


def test_momentum_differs_though_nothing_shows() -> None:
    theirs = Theirs()
    theirs.entry[1].momentum = 0.01
    report = compare(theirs)
    assert report.ok
    (difference,) = report.differences
    assert (difference.ours, difference.op, difference.parameter) == (
        "stem.batch_norm1",
        "batch_norm",
        "momentum",
    )
    assert (difference.our_value, difference.their_value) == (0.1, 0.01)


def test_another_activation_shows_at_the_next_module() -> None:
    theirs = Theirs()
    theirs.blocks[1].act = nn.SiLU()
    first = compare(theirs).first
    assert first is not None
    assert (first.ours, first.where) == ("s1.1.conv2", "input")
    assert first.our_ops == ("relu",)
    assert first.their_ops == ("SiLU()",)


def test_a_bias_of_theirs_has_no_place() -> None:
    theirs = Theirs()
    theirs.entry[0] = nn.Conv2d(3, 8, 3, 2, 1)
    report = compare(theirs)
    assert report.only_theirs == ("entry.0.bias",)
    assert not report.ok


def test_a_missing_layer_is_told() -> None:
    theirs = Theirs()
    theirs.blocks[5].c = nn.Identity()
    theirs.blocks[5].b = nn.Conv2d(16, 64, 3, 1, 1, bias=False)
    theirs.blocks[5].norms[1] = nn.BatchNorm2d(64)
    report = compare(theirs)
    assert "s2.2.conv3.weight" in report.only_ours
    assert report.first is not None
    assert report.first.ours == "s2.2.conv2"


def test_training_heads_are_matched_too() -> None:
    ours, theirs = torch_module.compile(graphs.auxiliary()), torch_module.compile(graphs.auxiliary())
    report = parity(ours, theirs, torch.randn(2, 3, 16, 16))
    assert report.ok
    assert {k: t.key for k, t in report.keymap.items()} == {k: k for k in theirs.state_dict()}


def layer_scale_graph() -> Any:
    b = graphs.Builder("scaled", (4, 8, 8))
    (x,) = b.inputs
    for i in range(2):
        with b.scope(f"s{i + 1}"):
            y = b.op("conv", b.op("layer_norm", x), channels=4, kernel=1, bias=True)
            x = b.op("add", x, b.op("channel_scale", y, init=1e-6))
    return b.graph(x)


class Scaled(nn.Module):
    """Layer scale as a parameter of the block, linear layers over channels-last maps."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.point, self.gamma = (
            nn.LayerNorm(4, 1e-6),
            nn.Linear(4, 4),
            nn.Parameter(torch.ones(4)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.gamma * self.point(self.norm(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


def test_layouts_and_parameters_of_blocks() -> None:
    theirs = nn.Sequential(Scaled(), Scaled())
    report = parity(torch_module.compile(layer_scale_graph()), theirs, torch.randn(2, 4, 8, 8))
    assert report.ok, report
    assert report.keymap["1.gamma"].key == "s2.channel_scale1.scale"
    assert report.keymap["1.point.weight"].shape == (4, 4, 1, 1)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name_is_the_pixels_it_stands_for(padding: str) -> None:
    pixels = (2, 0) if padding == "same" else (0, 0)
    ours, theirs = (nn.Sequential(nn.Conv2d(3, 4, (3, 1), padding=p, dilation=2)) for p in (pixels, padding))
    report = parity(ours, theirs, torch.randn(2, 3, 8, 8))
    assert report.ok and not report.differences, report


def test_padding_by_name_that_has_no_equal_stays_a_name() -> None:
    ours, theirs = (nn.Sequential(nn.Conv2d(3, 4, 4, padding=p)) for p in (1, "same"))
    report = parity(ours, theirs, torch.randn(2, 3, 8, 8))
    assert [(d.parameter, d.their_value) for d in report.differences] == [("padding", "same")]


def test_torchvision_with_itself() -> None:
    torchvision = import_torchvision()
    ours, theirs = (torchvision.models.resnet18(num_classes=10) for _ in range(2))
    report = parity(ours, theirs, torch.randn(1, 3, 64, 64))
    assert report.ok
    assert report.error == 0
