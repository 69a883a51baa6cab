"""Searched cells, against networks built from the cells' published tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.parity.twin import Twin

HERE = "tests.parity.twins.searched"

# (normal, its concat, reduction, its concat); "s3,0" is a separable 3×3 convolution of input 0
CELLS = {
    "darts_v1": (
        "s3,1+s3,0 id,0+s3,1 id,0+s3,1 s3,0+id,2", "2345", "m3,0+m3,1 id,2+m3,0 m3,0+id,2 id,2+a3,0", "2345",
    ),
    "darts_v2": (
        "s3,0+s3,1 s3,0+s3,1 s3,1+id,0 id,0+d3,2", "2345", "m3,0+m3,1 id,2+m3,1 m3,0+id,2 id,2+m3,1", "2345",
    ),
    "nasnet_a": (
        "s5,1+s3,0 s5,0+s3,0 a3,1+id,0 a3,0+a3,0 s3,1+id,1", "023456",
        "s5,1+s7,0 m3,1+s7,0 a3,1+s5,0 id,3+a3,2 s3,2+m3,1", "3456",
    ),
    "amoebanet_a": (
        "a3,0+m3,1 s3,0+s5,2 s3,0+a3,3 s3,1+id,1 id,0+a3,1", "456",
        "a3,0+s3,1 m3,0+s7,2 s7,0+a3,1 m3,0+m3,1 c71,0+s3,5", "346",
    ),
    "enas": (
        "a3,0+s3,0 id,0+s5,0 id,0+s5,1 s3,1+s5,0 a3,0+s5,1", "23456",
        "s3,1+s3,1 m3,0+a3,0 s5,1+s5,3 s3,1+id,0 m3,0+s5,1", "2456",
    ),
}  # fmt: skip


def pads(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: int = 1) -> list[int]:
    """TensorFlow's SAME, as F.pad takes it: as much as gives ceil(size / stride), the odd pixel at the end."""
    found = []
    for d in (1, 0):
        size, reach = x.shape[2 + d], dilation * (kernel[d] - 1)
        total = max((-(-size // stride[d]) - 1) * stride[d] + reach + 1 - size, 0)
        found += [total // 2, total - total // 2]
    return found


class SameConv(nn.Conv2d):
    """A convolution with padding SAME."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, pads(x, self.kernel_size, self.stride, self.dilation[0])))


class Pool(nn.Module):
    """A 3×3 pool; the mean is over the pixels that are there."""

    def __init__(self, average: bool, stride: int, same: bool):
        super().__init__()
        self.average, self.stride, self.same = average, stride, same

    def forward(self, x: Tensor) -> Tensor:
        around = pads(x, (3, 3), (self.stride, self.stride)) if self.same else [1, 1, 1, 1]
        if not self.average:
            return F.max_pool2d(F.pad(x, around, value=-torch.inf), 3, self.stride)
        there = F.pad(torch.ones_like(x), around)
        return F.avg_pool2d(F.pad(x, around), 3, self.stride) / F.avg_pool2d(there, 3, self.stride)


class Reduction(nn.Module):
    """Two 1×1 convolutions on every other pixel, the second one pixel further."""

    def __init__(self, channels: int, width: int, eps: float, act: bool = True):
        super().__init__()
        self.here = nn.Conv2d(channels, width // 2, 1, bias=False)
        self.there = nn.Conv2d(channels, width // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(width, eps)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = x.relu() if self.act else x
        halves = [self.here(x[..., ::2, ::2]), self.there(x[..., 1::2, 1::2])]
        result: Tensor = self.norm(torch.cat(halves, 1))
        return result


class Style:
    """What the authors' codes do differently."""

    def __init__(self, cells: str):
        self.same = not cells.startswith("darts")
        self.eps = 1e-3 if self.same else 1e-5
        self.enas = cells == "enas"

    def squeeze(self, channels: int, width: int) -> nn.Module:
        return nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width, self.eps)
        )

    def operator(self, name: str, width: int, stride: int) -> nn.Module:
        kind, size = name.rstrip("0123456789"), int(name.lstrip("adimsc") or 0)
        if kind in "am":
            return Pool(kind == "a", stride, self.same)
        if kind == "id":
            return nn.Identity() if stride == 1 else Reduction(width, width, self.eps, not self.enas)
        if kind == "c":
            across = self.conv(width, (1, 7), (1, stride))
            return nn.Sequential(
                nn.ReLU(), across, self.conv(width, (7, 1), (stride, 1)), nn.BatchNorm2d(width, self.eps)
            )
        layers: list[nn.Module] = []
        for step in (stride, 1)[: 2 if kind == "s" else 1]:
            depthwise = self.conv(width, (size, size), (step, step), width, 2 if kind == "d" else 1)
            pointwise = nn.Conv2d(width, width, 1, bias=False)
            layers += [nn.ReLU(), depthwise, pointwise, nn.BatchNorm2d(width, self.eps)]
        return nn.Sequential(*layers)

    def conv(
        self, width: int, kernel: tuple[int, int], stride: tuple[int, int], groups: int = 1, dilation: int = 1
    ) -> nn.Conv2d:
        if self.same and max(stride) > 1:
            return SameConv(width, width, kernel, stride, 0, dilation, groups, bias=False)
        half = (dilation * (kernel[0] // 2), dilation * (kernel[1] // 2))
        return nn.Conv2d(width, width, kernel, stride, half, dilation, groups, bias=False)


class Cell(nn.Module):
    def __init__(
        self, style: Style, table: str, concat: str, widths: tuple[int, int, int], halved: bool, stride: int
    ):
        super().__init__()
        before, last, width = widths
        self.before = Reduction(before, width, style.eps) if halved else style.squeeze(before, width)
        self.last = style.squeeze(last, width)
        if style.enas:
            self.last = nn.Sequential(self.last, style.squeeze(width, width))
        pairs = [edge.split(",") for node in table.split() for edge in node.split("+")]
        self.inputs = [int(i) for _, i in pairs]
        strides = [stride if i < 2 else 1 for i in self.inputs]
        names = [name for name, _ in pairs]
        self.edges = nn.ModuleList(style.operator(n, width, s) for n, s in zip(names, strides, strict=True))
        self.concat = [int(i) for i in concat]

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        h = [self.before(before), self.last(last)]
        for i in range(0, len(self.inputs), 2):
            h.append(sum(self.edges[j](h[self.inputs[j]]) for j in (i, i + 1)))
        return torch.cat([h[i] for i in self.concat], 1)


class Network(nn.Module):
    """`repeats` normal cells three times, with a reduction that doubles the width between."""

    def __init__(self, cells: str, width: int, repeats: int, imagenet: bool = False):
        super().__init__()
        style = Style(cells)
        normal, normal_concat, reduction, reduction_concat = CELLS[cells]
        conv, norm, classes = nn.Conv2d, nn.BatchNorm2d, 1000 if imagenet else 10
        self.imagenet, self.style = imagenet, style
        if imagenet:
            self.stem: nn.Module = nn.Sequential(
                conv(3, width // 2, 3, 2, 1, bias=False), norm(width // 2), nn.ReLU(),
                conv(width // 2, width, 3, 2, 1, bias=False), norm(width),
            )  # fmt: skip
            self.stem2 = nn.Sequential(nn.ReLU(), conv(width, width, 3, 2, 1, bias=False), norm(width))
            before = last = width
        else:
            before = last = 3 * width
            self.stem = nn.Sequential(conv(3, last, 3, padding=1, bias=False), norm(last, style.eps))
        self.cells = nn.ModuleList()
        halved = imagenet
        for i in range(3 * repeats + 2):
            reduces = i in (repeats, 2 * repeats + 1)
            width *= 1 + reduces
            table = (reduction, reduction_concat) if reduces else (normal, normal_concat)
            self.cells.append(Cell(style, *table, (before, last, width), halved, 1 + reduces))
            before, last, halved = last, len(table[1]) * width, reduces
            if i == 2 * repeats + 1 and cells.startswith("darts"):
                self.aux_at = i
                tail = [] if imagenet else [norm(768)]
                self.aux = nn.Sequential(
                    nn.ReLU(), nn.AvgPool2d(5, 2 if imagenet else 3), conv(last, 128, 1, bias=False), norm(128),
                    nn.ReLU(), conv(128, 768, 2, bias=False), *tail, nn.ReLU(), nn.Flatten(),
                    nn.Linear(768, classes),
                )  # fmt: skip
        self.classifier = nn.Linear(last, classes, bias=not style.enas)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        before = last = self.stem(x)
        if self.imagenet:
            last = self.stem2(before)
        extra = []
        for i, cell in enumerate(self.cells):
            before, last = last, cell(before, last)
            if self.training and i == getattr(self, "aux_at", None):
                extra.append(self.aux(last))
        pooled = (last.relu() if self.style.same else last).mean((2, 3))
        return (self.classifier(pooled), *extra)


CIFAR = (3, 32, 32)

# two cells a stage: the counts, which are exact, hold for the full depth
TWINS = [
    *(
        Twin(
            spec,
            f"{HERE}:Network",
            CIFAR,
            kwargs={"cells": cells, "width": width, "repeats": 2},
            arguments={"repeats": 2},
            small=spec == "darts_v2_cifar",
        )
        for spec, cells, width in (
            ("darts_v1_cifar", "darts_v1", 36),
            ("darts_v2_cifar", "darts_v2", 36),
            ("nasnet_a_cifar", "nasnet_a", 32),
            ("amoebanet_a_cifar", "amoebanet_a", 36),
            ("enas_micro_cifar", "enas", 36),
        )
    ),
    # the auxiliary head needs the 7×7 map of the full size
    *(
        Twin(
            f"{cells}_imagenet",
            f"{HERE}:Network",
            (3, 224, 224),
            kwargs={"cells": cells, "width": 48, "repeats": 1, "imagenet": True},
            arguments={"repeats": 1},
        )
        for cells in ("darts_v1", "darts_v2")
    ),
]
