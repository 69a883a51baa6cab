"""Residual and dense networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.parity.twin import Twin

TORCHVISION = "torchvision.models"
RESNET = "timm.models.resnet"
SENET = "timm.models.senet"
HERE = "tests.parity.twins.residual"

SIZE, ODD = (3, 64, 64), (3, 75, 91)


def resnet200_se() -> nn.Module:
    """timm's ResNet-200 with ResNet-RS's squeeze-and-excitation, a step of its ablation."""
    from functools import partial

    from timm.layers import SEModule
    from timm.models.resnet import resnet200

    made: nn.Module = resnet200(block_args={"attn_layer": partial(SEModule, rd_ratio=0.25)})
    return made


def densenet_bc(depth: int, growth: int) -> nn.Module:
    """torchvision's DenseNet with the paper's stem for CIFAR and its three dense blocks."""
    from torchvision.models import DenseNet

    layers: Any = ((depth - 4) // 6,) * 3
    made: nn.Module = DenseNet(growth, layers, num_init_features=2 * growth, num_classes=10)
    made.features.conv0 = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)
    for name in ("norm0", "relu0", "pool0"):
        setattr(made.features, name, nn.Identity())
    return made


class PaddedIdentity(nn.Module):
    """Shortcut A of He et al. 2015: every second pixel, then as many channels of zeros."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = x[:, :, ::2, ::2]
        return torch.cat([kept, torch.zeros_like(kept)], dim=1)


def cifar_resnet(depth: int, option: str) -> nn.Module:
    """timm's ResNet of basic blocks with the stem, the three stages and the shortcuts for CIFAR."""
    from timm.models.resnet import BasicBlock, ResNet

    made: Any = ResNet(
        BasicBlock,
        ((depth - 2) // 6,) * 3,
        num_classes=10,
        channels=(16, 32, 64),
        stem_width=8,
        stem_type="deep",
    )
    made.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    made.maxpool = made.layer4 = nn.Identity()
    if option == "A":
        made.layer2[0].downsample = PaddedIdentity()
        made.layer3[0].downsample = PaddedIdentity()
    finished: nn.Module = made
    return finished


def cifar_resnetv2(widths: tuple[int, ...], layers: int, stem: int, basic: bool) -> nn.Module:
    """timm's pre-activation ResNet with a 3×3 stem for CIFAR."""
    from timm.layers import BatchNormAct2d, create_conv2d
    from timm.models.resnetv2 import ResNetV2

    made: Any = ResNetV2(
        [layers] * len(widths),
        widths,
        num_classes=10,
        stem_chs=stem,
        basic=basic,
        bottle_ratio=1.0 if basic else 0.25,
        norm_layer=BatchNormAct2d,
        conv_layer=create_conv2d,
    )
    made.stem = nn.Conv2d(3, stem, 3, padding=1, bias=False)
    finished: nn.Module = made
    return finished


class _Residual(nn.Module):
    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = x + self.branch(x)
        return added


class _Eighth(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 8


def cifar_resnet9() -> nn.Module:
    """Page's ResNet-9 in plain torch."""

    def unit(before: int, width: int, *more: nn.Module) -> list[nn.Module]:
        conv = nn.Conv2d(before, width, 3, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(width), nn.ReLU(), *more]

    def residual(width: int) -> nn.Module:
        return _Residual(nn.Sequential(*unit(width, width), *unit(width, width)))

    layers = [
        *unit(3, 64), *unit(64, 128, nn.MaxPool2d(2)), residual(128), *unit(128, 256, nn.MaxPool2d(2)),
        *unit(256, 512, nn.MaxPool2d(2)), residual(512),
    ]  # fmt: skip
    head = [nn.MaxPool2d(4), nn.Flatten(), nn.Linear(512, 10, bias=False), _Eighth()]
    return nn.Sequential(*layers, *head)


def _torchvision(spec: str, **how: Any) -> Twin:
    return Twin(spec, f"{TORCHVISION}:{spec}", **{"input": SIZE, "odd": ODD, **how})


def _timm(spec: str, module: str, **how: Any) -> Twin:
    return Twin(spec, f"{module}:{how.pop('name', spec)}", **{"input": SIZE, "odd": ODD, **how})


def _resnext50(groups: int, width: int) -> Twin:
    kwargs = {"groups": groups, "width_per_group": width}
    return Twin(f"resnext50_{groups}x{width}d", f"{TORCHVISION}:resnet50", SIZE, ODD, kwargs)


def _cifar(spec: str, function: str, how: dict[str, Any], **more: Any) -> Twin:
    return Twin(spec, f"{HERE}:{function}", (3, 32, 32), (3, 37, 45), how, **more)


def _preact(basic: bool, layers: int, stem: int, *widths: int) -> dict[str, Any]:
    return {"widths": widths, "layers": layers, "stem": stem, "basic": basic}


DEEP: dict[str, Any] = {"tolerance": 1e-4}  # more than 150 layers
STILL: dict[str, Any] = {"kwargs": {"drop_rate": 0.0}}  # its dropout is no module that could be switched off

TWINS = [
    _torchvision("resnet18", small=True),
    _torchvision("resnet34"),
    _torchvision("resnet50"),
    _torchvision("resnet101"),
    _torchvision("resnet152"),
    _torchvision("wide_resnet50_2"),
    _torchvision("wide_resnet101_2"),
    *(_resnext50(groups, width) for groups, width in ((1, 64), (2, 40), (4, 24), (8, 14))),
    _torchvision("resnext50_32x4d"),
    _torchvision("resnext101_32x8d"),
    _torchvision("resnext101_64x4d"),
    _timm("seresnet50", RESNET),
    _timm("seresnext50_32x4d", RESNET),
    _timm("resnet50d", RESNET),
    _timm("legacy_seresnet50", SENET, small=True, **STILL),
    _timm("legacy_senet154", SENET, **STILL),
    _timm("senet154", RESNET),
    _timm("resnetrs50", RESNET, small=True),
    _timm("resnetrs101", RESNET),
    _timm("resnetrs152", RESNET),
    _timm("resnetrs200", RESNET, **DEEP),
    _timm("resnetrs270", RESNET, **DEEP),
    _timm("resnetrs350", RESNET, **DEEP),
    _timm("resnetrs420", RESNET, **DEEP),
    _timm("resnetrs200_plain", RESNET, name="resnet200", **DEEP),
    _timm("resnetrs200_se", HERE, name="resnet200_se", **DEEP),
    _timm("resnetv2_50", "timm.models.resnetv2"),
    _torchvision("densenet121", small=True),
    _torchvision("densenet161"),
    _torchvision("densenet169", **DEEP),
    _torchvision("densenet201", **DEEP),
    _cifar("densenet_bc_100_12", "densenet_bc", {"depth": 100, "growth": 12}),
    Twin("cifar_resnet9", f"{HERE}:cifar_resnet9", (3, 32, 32), (3, 37, 43), small=True),
    _cifar("cifar_resnet20", "cifar_resnet", {"depth": 20, "option": "A"}, small=True),
    _cifar("cifar_resnet56_B", "cifar_resnet", {"depth": 56, "option": "B"}),
    _cifar("cifar_resnet110", "cifar_resnet", {"depth": 110, "option": "A"}),
    _cifar("preact_resnet18", "cifar_resnetv2", _preact(True, 2, 64, 64, 128, 256, 512), small=True),
    _cifar("preact_resnet164", "cifar_resnetv2", _preact(False, 18, 16, 64, 128, 256), **DEEP),
    _cifar("wrn_16_8", "cifar_resnetv2", _preact(True, 2, 16, 128, 256, 512), small=True),
    _cifar("wrn_40_4", "cifar_resnetv2", _preact(True, 6, 16, 64, 128, 256)),
    _cifar("wrn_28_10", "cifar_resnetv2", _preact(True, 4, 16, 160, 320, 640)),
]
