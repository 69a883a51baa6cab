"""Classic networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.parity.twin import Twin

TORCHVISION = "torchvision.models"
HERE = "tests.parity.twins.classic"

SIZE, ODD = (3, 64, 64), (3, 75, 91)


def lenet5(padding: int) -> nn.Module:
    """LeNet-5 as it is taught."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=padding), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


class UNet(nn.Module):
    """U-Net, recursive: each level encloses the one below it."""

    def __init__(self, channels: int, classes: int, padding: int, norm: bool, width: int = 64):
        super().__init__()
        self.down = self._double(channels, width, padding, norm)
        self.inner = UNet(width, 0, padding, norm, 2 * width) if width < 1024 else None
        if self.inner:
            self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
            self.merge = self._double(2 * width, width, padding, norm)
        self.head = nn.Conv2d(width, classes, 1) if classes else nn.Identity()

    @staticmethod
    def _double(channels: int, width: int, padding: int, norm: bool) -> nn.Sequential:
        layers: list[nn.Module] = []
        for fan_in in (channels, width):
            layers.append(nn.Conv2d(fan_in, width, 3, padding=padding, bias=not norm))
            layers += [nn.BatchNorm2d(width)] if norm else []
            layers.append(nn.ReLU())
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        if self.inner:
            above = self.up(self.inner(F.max_pool2d(x, 2)))
            top, left = (x.shape[2] - above.shape[2]) // 2, (x.shape[3] - above.shape[3]) // 2
            cut = x[:, :, top : top + above.shape[2], left : left + above.shape[3]]
            x = self.merge(torch.cat([cut, above], 1))
        result: Tensor = self.head(x)
        return result


def unet(channels: int, classes: int, padding: int, norm: bool) -> nn.Module:
    """U-Net at its full width."""
    return UNet(channels, classes, padding, norm)


TWINS = [
    Twin("lenet5_28", f"{HERE}:lenet5", (1, 28, 28), kwargs={"padding": 2}),
    Twin("lenet5_32", f"{HERE}:lenet5", (1, 32, 32), kwargs={"padding": 0}, small=True),
    Twin("alexnet", f"{TORCHVISION}:alexnet", SIZE, ODD),
    *(
        Twin(name, f"{TORCHVISION}:{name}", SIZE, ODD)
        for depth in (11, 13, 16, 19)
        for name in (f"vgg{depth}", f"vgg{depth}_bn")
    ),
    Twin("squeezenet1_0", f"{TORCHVISION}:squeezenet1_0", SIZE, ODD),
    Twin("squeezenet1_1", f"{TORCHVISION}:squeezenet1_1", SIZE, ODD, small=True),
    Twin("googlenet", f"{TORCHVISION}:googlenet", SIZE, ODD, {"init_weights": False}, small=True),
    # its auxiliary head needs the 17×17 map of the full size
    Twin(
        "inception_v3", f"{TORCHVISION}:inception_v3", (3, 299, 299), (3, 299, 315), {"init_weights": False}
    ),
    *(
        Twin(
            spec,
            f"{HERE}:unet",
            (channels, *size),
            (channels, *odd),
            {"channels": channels, "classes": classes, "padding": padding, "norm": norm},
        )
        for spec, channels, classes, padding, norm, size, odd in (
            ("unet_572_valid", 1, 2, 0, False, (188, 188), (189, 220)),
            ("unet_256_padded", 3, 1, 1, False, (64, 64), (75, 91)),
            ("unet_256_padded_bn", 3, 2, 1, True, (64, 64), (75, 91)),
        )
    ),
    Twin("nasnetalarge", "timm.models.nasnet:nasnetalarge", (3, 96, 96), (3, 107, 91)),
    Twin("pnasnet5large", "timm.models.pnasnet:pnasnet5large", (3, 96, 96), (3, 107, 91)),
]
