"""Labelled images: what fits in memory as uint8 is loaded once and lives on the device; the rest is streamed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import ClassVar

import torch
from torch import Tensor

from archc.train.decoding import Unreadable, View, decode
from archc.train.faults import DataError
from archc.train.listing import Listing

SAMPLE = 1024


@dataclass(frozen=True)
class Split:
    """images (N, C, H, W) uint8, labels (N,) int64."""

    images: Tensor
    labels: Tensor
    runs: ClassVar[tuple[()]] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Split:
        return Split(self.images.to(device), self.labels.to(device))

    def take(self, indices: Tensor) -> Split:
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Stream:
    """Encoded images that are decoded when they are needed, and how."""

    listing: Listing
    view: View

    def __len__(self) -> int:
        return len(self.listing.labels)

    @property
    def runs(self) -> tuple[tuple[int, ...], int]:
        """Which examples are read together, and how many runs at a time; see listing.Listing."""
        return self.listing.runs, self.listing.window

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return self.listing.labels


@dataclass(frozen=True)
class Dataset:
    """What to train on, what to test on (`held_out` names it), names of the classes, unreadable images.

    notes: what was found beside these and is not used.
    moments: what `statistics` has, where it is known already. shape and test_shape: channels, height, width of
    training and of held-out images.
    """

    train: Split | Stream
    test: Split | Stream
    classes: tuple[str, ...]
    held_out: str = "test"
    bad: tuple[str, ...] = ()
    moments: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    shape: tuple[int, ...] = ()
    test_shape: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of every channel of the training images, of a range of 1.

        Of a stream, those of up to 1,024 images spread over it.
        """
        return self._measured if self.moments is None else self.moments

    @cached_property
    def _measured(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        images = self.train.images if isinstance(self.train, Split) else _sampled(self.train)
        moments = [torch.zeros(images.shape[1], dtype=torch.float64) for _ in range(2)]
        for part in torch.split(images, 8192):
            values = part.double() / 255
            moments[0] += values.sum((0, 2, 3)).cpu()
            moments[1] += values.square().sum((0, 2, 3)).cpu()
        pixels = images.numel() / images.shape[1]
        mean = moments[0] / pixels
        spread = (moments[1] / pixels - mean.square()).clamp(min=1e-8).sqrt()
        return tuple(mean.tolist()), tuple(spread.tolist())


def check_unreadable(unreadable: Sequence[str], total: int, max_bad: float) -> None:
    """Raises DataError with the names where too many of `total` images cannot be read."""
    if len(unreadable) > max_bad * total:
        listed = "\n  ".join(unreadable[:20])
        share = math.ceil(1e4 * len(unreadable) / total) / 1e4
        more = f"\n  and {len(unreadable) - 20:,} more" * (len(unreadable) > 20)
        help = f"\n  = help: to leave them out: --set data.max_bad={share:g}" * (share < 0.5)
        raise DataError(
            f"{len(unreadable):,} of {total:,} images cannot be read, more than data.max_bad = {max_bad:g} "
            f"allows:\n  {listed}{more}{help}"
        )


def _sampled(stream: Stream) -> Tensor:
    view = replace(stream.view, random=0.0)
    images = []
    for index in range(0, len(stream), max(1, len(stream) // SAMPLE)):
        with suppress(OSError, Unreadable):  # the run itself counts them
            images.append(decode(stream.listing.read(index), view, Random(0)))
    if not images:
        raise DataError("none of the images looked at can be read")
    return torch.stack(images)
