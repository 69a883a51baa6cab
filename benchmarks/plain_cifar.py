"""Does the trainer cost accuracy, or the data? ResNet-9 on CIFAR-10 by a plain loop and by the trainer.

    python -m benchmarks.plain_cifar DIR [--by plain,archc] [--width 64] [--epochs 24] [--seeds 0,1] [--jpeg 75]

DIR: CIFAR-10, as `archc train --data cifar10:DIR` takes it. The plain loop is Page's recipe of 2018 from torch's own
parts: network, starts, crop, flip, Cutout within the image, weight decay of all weights, no average. The other is
`archc train cifar_resnet9 --recipe cifar10_fast`, not compiled. Both smooth the targets by 0.2. --jpeg: the images, of
training and test, are first encoded by Pillow at that quality, as CIFAR-10 (JPEG) was at 75.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.train.datasets import Dataset, Split
from archc.train.network import in_layout
from archc.train.prepare import Prepared, prepare
from archc.train.ranks import Ranks
from archc.train.recipe import load_recipe
from archc.train.session import run

NETWORK, RECIPE = "cifar_resnet9", "cifar10_fast"
SMOOTHING, DECAY, BORDER, HOLE = 0.2, 5e-4, 4, 8


class Residual(nn.Module):
    """Two layers, and what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(*layer(width, width), *layer(width, width))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.branch(x)
        return found


class ResNet9(nn.Module):
    """Page's network: logits are an eighth of what the linear layer gives."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide, wider, widest = 2 * width, 4 * width, 8 * width
        self.features = nn.Sequential(
            *layer(3, width), *layer(width, wide), nn.MaxPool2d(2), Residual(wide),
            *layer(wide, wider), nn.MaxPool2d(2), *layer(wider, widest), nn.MaxPool2d(2), Residual(widest),
            nn.MaxPool2d(4), nn.Flatten(),
        )  # fmt: skip
        self.linear = nn.Linear(widest, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.features(x))
        return logits * 0.125


def layer(inputs: int, width: int) -> list[nn.Module]:
    """Convolution, normalisation, activation."""
    return [
        nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    ]  # fmt: skip


def augmented(padded: Tensor, size: int) -> Tensor:
    """A window of each padded image, half of them mirrored, with a hole."""
    count, device = len(padded), padded.device
    down, right = torch.randint(2 * BORDER + 1, (2, count), device=device).tolist()
    x = torch.stack([p[:, y : y + size, z : z + size] for p, y, z in zip(padded, down, right, strict=True)])
    mirrored = torch.rand(count, device=device) < 0.5
    x[mirrored] = x[mirrored].flip(3)
    tops, lefts = torch.randint(size - HOLE + 1, (2, count), device=device).tolist()
    for image, y, z in zip(x, tops, lefts, strict=True):
        image[:, y : y + HOLE, z : z + HOLE] = 0
    return x


def plain(data: Dataset, seed: int, given: argparse.Namespace) -> float:
    """Accuracy on the test images after a loop written out."""
    torch.manual_seed(seed)
    device, bf16 = torch.device(given.device), given.precision == "bf16"
    assert isinstance(data.train, Split)
    assert isinstance(data.test, Split)
    images, tests = (s.images.to(device).float() / 255 for s in (data.train, data.test))
    labels, answers = data.train.labels.to(device), data.test.labels.to(device)
    mean, std = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True)
    padded = F.pad((images - mean) / std, (BORDER,) * 4, mode="reflect")
    tests = (tests - mean) / std
    module = in_layout(ResNet9(given.width).to(device), torch.channels_last)
    optimizer = torch.optim.SGD(
        module.parameters(), lr=given.rate, momentum=0.9, nesterov=True, weight_decay=DECAY
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    epoch_steps = len(images) // given.batch
    for epoch in range(given.epochs):
        module.train()
        order = torch.randperm(len(images), device=device)
        for step in range(epoch_steps):
            rate = np.interp(epoch + step / epoch_steps, [0, given.warmup, given.epochs], [0, given.rate, 0])
            optimizer.param_groups[0]["lr"] = float(rate)
            chosen = order[step * given.batch : (step + 1) * given.batch]
            x = augmented(padded[chosen], images.shape[2]).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = module(x)
            optimizer.zero_grad()
            criterion(logits.float(), labels[chosen]).backward()
            optimizer.step()
    module.eval()
    with torch.no_grad():
        found = torch.cat([module(part).argmax(1) for part in torch.split(tests, 1000)])
    return float((found == answers).double().mean())


def archc(prepared: Prepared, seed: int, given: argparse.Namespace) -> float:
    """The same by the trainer: of the last weights, not of their average."""
    recipe = load_recipe(RECIPE, changes(given, seed))
    with tempfile.TemporaryDirectory() as place:
        ranks = Ranks(0, 1, torch.device(given.device))
        found = run(prepared.graph, recipe, prepared.data, Path(place), ranks)
    return float(found["eval_accuracy"])


def changes(given: argparse.Namespace, seed: int = 0) -> list[str]:
    """What the recipe is to be."""
    return [
        "data.name=cifar10", f"data.path='{given.folder}'", f"seed={seed}", f"epochs={given.epochs}",
        f"data.batch={given.batch}", f"optim.lr={given.rate}", f"schedule.warmup={given.warmup}",
        f"run.precision={given.precision}", "run.compile=false", f"run.eval_every={given.epochs}",
        f"run.save_every={given.epochs}",
    ]  # fmt: skip


def encoded(split: Split, quality: int) -> Split:
    """The images as they come back from JPEG."""
    from PIL import Image

    found = []
    for image in split.images:
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        found.append(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1))
    return Split(torch.stack(found), split.labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--by", default="plain,archc")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--warmup", type=float, default=5)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=0.4)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--jpeg", type=int, default=0)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    prepared = prepare(NETWORK, load_recipe(RECIPE, changes(given)), {"width": given.width})
    data = prepared.data
    if given.jpeg:
        assert isinstance(data.train, Split)
        assert isinstance(data.test, Split)
        data = replace(data, train=encoded(data.train, given.jpeg), test=encoded(data.test, given.jpeg))
    for seed in map(int, given.seeds.split(",")):
        for name in given.by.split(","):
            begun = time.process_time()
            found = (
                plain(data, seed, given)
                if name == "plain"
                else archc(replace(prepared, data=data), seed, given)
            )
            print(
                f"{name} seed {seed}: {found:.2%} in {time.process_time() - begun:.0f} s of CPU", flush=True
            )


if __name__ == "__main__":
    main()
