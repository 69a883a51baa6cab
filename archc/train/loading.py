"""From the data a recipe names to a Dataset: in memory where it fits, else as streams."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from archc.train import readers
from archc.train.datasets import Dataset, Split, Stream, check_unreadable
from archc.train.decoding import Unreadable, View, decode
from archc.train.faults import DataError
from archc.train.hub import download
from archc.train.listing import Listing, Part
from archc.train.recipe import Data
from archc.train.resources import digits_file
from archc.train.seeds import generator

MOST_DECODED = 1 << 32
"""Bytes of pixels that are kept in memory at most."""


def load_dataset(data: Data, shape: tuple[int, ...], seed: int = 0, random: float = 0.0) -> Dataset:
    """The data a recipe names, brought to `shape` (channels, height, width). Raises DataError.

    random: what streamed training images are cut by, see decoding.View.
    """
    if len(shape) != 3:
        raise DataError(f"the network's input is {shape}, not channels × height × width")
    test_shape = (shape[0], data.test_size, data.test_size) if data.test_size else shape
    if data.name == "digits":
        found = _digits(data.held_out)
    elif data.name == "synthetic":
        found = synthetic(data.examples, shape, seed)
    else:
        found = _read(data, shape, test_shape, random)
    if data.validation:
        found = _with_validation(found, data.validation)
    moments = _moments(data, shape[0])
    return replace(
        found,
        train=_brought(found.train, shape),
        test=_brought(found.test, test_shape),
        shape=shape,
        test_shape=test_shape,
        moments=moments,
    )


def _moments(data: Data, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    given = (data.mean, data.std)
    if not any(given):
        return None
    if any(len(values) != channels for values in given) or min(data.std) <= 0:
        raise DataError(f"data.mean and data.std must be {channels} numbers each, the deviations above 0")
    return given


def _brought(split: Split | Stream, shape: tuple[int, ...]) -> Split | Stream:
    return fitted(split, shape) if isinstance(split, Split) else split


def _read(data: Data, shape: tuple[int, ...], test_shape: tuple[int, ...], random: float) -> Dataset:
    """The images of files, decoded if they are few enough. Raises DataError."""
    path = _place(data)
    if data.name in ("cifar10", "cifar100") and not readers.parquet_files(path):
        train, test, classes = readers.binary_cifar(path, data.name)
        return Dataset(train, test, classes)
    found = readers.find("folder" if data.name == "folder" else "parquet", path)
    said = "test"
    whole, held_out = found.train, found.test
    if held_out is None:
        chosen = _every(len(whole.labels), data.held_out)
        whole, held_out = Part(whole, (~chosen).nonzero()[:, 0]), Part(whole, chosen.nonzero()[:, 0])
        said = f"a share of {data.held_out:g}"
    for listing in (whole, held_out):
        _check_labels(listing, len(found.classes))
    bicubic = data.interpolation == "bicubic"
    splits = (
        Stream(whole, View(shape, random=random, bicubic=bicubic)),
        Stream(held_out, View(test_shape, data.test_crop, bicubic=bicubic)),
    )
    if streams(data.stream, sum(len(s) * math.prod(s.view.shape) for s in splits)):
        return Dataset(*splits, found.classes, said, notes=found.notes)
    bad: list[str] = []
    train, test = (_decoded(split, bad, data.max_bad) for split in splits)
    return Dataset(train, test, found.classes, said, tuple(bad), notes=found.notes)


def _place(data: Data) -> Path:
    if data.name == "hub":
        return download(data.path)
    if not data.path:
        raise DataError(f"the recipe is for {data.name} data; say where it is: --data PATH, or data.path")
    path = Path(data.path)
    if not path.exists():
        raise DataError(f"data.path {data.path!r} does not exist")
    return path


def _check_labels(listing: Listing, classes: int) -> None:
    if not len(listing.labels):
        raise DataError("there are no images")
    worst = [int(listing.labels.min()), int(listing.labels.max())]
    if worst[0] < 0 or worst[1] >= classes:
        raise DataError(f"labels are {worst[0]} to {worst[1]}, but there are {classes} classes")


def streams(asked: object, size: int) -> bool:
    """Whether images of `size` bytes, decoded, are to be streamed.

    auto: where they are more than 4 GiB, or than a quarter of the machine's memory.
    """
    if asked == "auto":
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return size > min(MOST_DECODED, memory // 4)
    return bool(asked)


def _decoded(stream: Stream, bad: list[str], max_bad: float) -> Split:
    """A stream in memory; what cannot be read is left out and named in `bad`."""
    view = replace(stream.view, random=0.0)
    images: list[Tensor] = []
    kept: list[int] = []
    unreadable: list[str] = []
    for index in range(len(stream)):
        try:
            images.append(decode(stream.listing.read(index), view))
            kept.append(index)
        except (OSError, Unreadable) as error:
            unreadable.append(f"{stream.listing.name(index)} ({error})")
    check_unreadable(unreadable, len(stream), max_bad)
    bad += unreadable
    return Split(torch.stack(images), stream.labels[kept])


def fitted(split: Split, shape: tuple[int, ...]) -> Split:
    """The split resized to `shape`; grey becomes three equal channels, three become their luminance."""
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
    test = _every(len(split), share)
    return split.take(~test), split.take(test)


def _every(count: int, share: float) -> Tensor:
    every = max(2, round(1 / share))
    return torch.arange(count) % every == every - 1


def _with_validation(found: Dataset, count: int) -> Dataset:
    """The last `count` of a fixed shuffle of the training examples in place of the test split."""
    train = found.train
    if count >= len(train):
        raise DataError(f"data.validation is {count:,}, but there are {len(train):,} training examples")
    order = torch.randperm(len(train), generator=generator(0, "validation"))
    kept, test = order[:-count].sort().values, order[-count:].sort().values
    if isinstance(train, Split):
        return replace(found, train=train.take(kept), test=train.take(test), held_out="validation")
    view = found.test.view if isinstance(found.test, Stream) else train.view
    parts = Stream(Part(train.listing, kept), train.view), Stream(Part(train.listing, test), view)
    return replace(found, train=parts[0], test=parts[1], held_out="validation")
