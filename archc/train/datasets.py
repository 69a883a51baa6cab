"""Labelled images in memory, as uint8: what fits is loaded once and lives on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from archc.train.recipe import Data
from archc.train.resources import digits_file
from archc.train.seeds import generator


class DataError(Exception):
    """Data cannot be read, or does not fit the network; the message says which and what to do."""


@dataclass(frozen=True)
class Split:
    """images (N, C, H, W) uint8, labels (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Split:
        return Split(self.images.to(device), self.labels.to(device))

    def take(self, indices: Tensor) -> Split:
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """What to train on, what to test on (`held_out` names it), names of the classes, unreadable images.

    moments: what `statistics` has, where it is known already.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    held_out: str = "test"
    bad: tuple[str, ...] = ()
    moments: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of every channel of the training images, of a range of 1."""
        if self.moments is not None:
            return self.moments
        moments = [torch.zeros(self.train.images.shape[1], dtype=torch.float64) for _ in range(2)]
        for part in torch.split(self.train.images, 8192):
            values = part.double() / 255
            moments[0] += values.sum((0, 2, 3)).cpu()
            moments[1] += values.square().sum((0, 2, 3)).cpu()
        pixels = self.train.images.numel() / self.train.images.shape[1]
        mean = moments[0] / pixels
        spread = (moments[1] / pixels - mean.square()).clamp(min=1e-8).sqrt()
        return tuple(mean.tolist()), tuple(spread.tolist())


def load_dataset(data: Data, shape: tuple[int, ...], seed: int = 0) -> Dataset:
    """The data a recipe names, brought to `shape` (channels, height, width). Raises DataError."""
    if data.name == "digits":
        found = _digits(data.held_out)
    elif data.name == "synthetic":
        found = synthetic(data.examples, shape, seed)
    else:
        from archc.train.readers import read

        found = read(data, shape)
    if data.validation:
        found = _with_validation(found, data.validation)
    return replace(found, train=fitted(found.train, shape), test=fitted(found.test, shape))


def fitted(split: Split, shape: tuple[int, ...]) -> Split:
    """The split resized to `shape`; grey becomes three equal channels, three become their luminance."""
    if len(shape) != 3:
        raise DataError(f"the network's input is {shape}, not channels × height × width")
    images = split.images
    if images.shape[2:] != shape[1:]:
        parts = [
            F.interpolate(part.float(), shape[1:], mode="bilinear", antialias=True)
            .round()
            .clamp(0, 255)
            .byte()
            for part in torch.split(images, 4096)
        ]
        images = torch.cat(parts)
    if images.shape[1] == 1 and shape[0] > 1:
        images = images.expand(-1, shape[0], -1, -1).contiguous()
    elif images.shape[1] == 3 and shape[0] == 1:
        weights = torch.tensor((0.299, 0.587, 0.114)).reshape(1, 3, 1, 1)
        images = (images.float() * weights).sum(1, keepdim=True).round().byte()
    elif images.shape[1] != shape[0]:
        raise DataError(f"images have {images.shape[1]} channels, the network's input {shape[0]}")
    return Split(images, split.labels)


def synthetic(examples: int, shape: tuple[int, ...], seed: int, classes: int = 10) -> Dataset:
    """Noise with one fixed pattern for each class, for speed tests and for tests of learning."""
    draw = generator(seed, "synthetic")
    patterns = torch.rand(classes, *shape, generator=draw)
    splits = []
    for count in (examples, max(classes, examples // 4)):
        labels = torch.randint(classes, (count,), generator=draw)
        noise = torch.rand(count, *shape, generator=draw)
        splits.append(Split((patterns[labels] * 127 + noise * 128).byte(), labels))
    return Dataset(splits[0], splits[1], tuple(map(str, range(classes))))


def _digits(held_out: float) -> Dataset:
    """The embedded digits; every k-th is held out, so that both parts hold all classes and writers."""
    with np.load(digits_file(), allow_pickle=False) as archive:
        images = torch.from_numpy(archive["images"] * np.uint8(15))  # 0…16 as 0…240
        labels = torch.from_numpy(archive["labels"]).long()
    train, test = split_off(Split(images, labels), held_out)
    every = len(labels) // len(test)
    return Dataset(train, test, tuple("0123456789"), f"every {every}th")


def split_off(split: Split, share: float) -> tuple[Split, Split]:
    """Every k-th example held out, k being 1 / share: all parts of the data are in both."""
    every = max(2, round(1 / share))
    test = torch.arange(len(split)) % every == every - 1
    return split.take(~test), split.take(test)


def _with_validation(found: Dataset, count: int) -> Dataset:
    """The last `count` of a fixed shuffle of the training examples in place of the test split."""
    if count >= len(found.train):
        raise DataError(f"data.validation is {count:,}, but there are {len(found.train):,} training examples")
    order = torch.randperm(len(found.train), generator=generator(0, "validation"))
    kept, test = order[:-count].sort().values, order[-count:].sort().values
    return replace(found, train=found.train.take(kept), test=found.train.take(test), held_out="validation")
