"""Augmentation of whole batches on the device, drawn for each example apart.

All draws of a step are made for the batch of all ranks, of which a rank takes its rows; so what an example
goes through does not depend on how many processes there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from archc.train.rand_augment import rand_augment
from archc.train.recipe import Augment
from archc.train.seeds import seed_of

CHOICES: tuple[Literal["none", "flip", "noise", "rotation"], ...] = ("none", "flip", "noise", "rotation")


@dataclass(frozen=True)
class Place:
    """Where a chunk of examples is: the first of its rows in the batch of all ranks, and the size of that."""

    first: int
    batch: int


class Augmenter:
    """Turns uint8 images and labels into normalised images and target probabilities.

    mean and std: of each channel, of a range of 1. classes: how many there are. What a call draws is set by `seed`
    before it; a call itself is the same launches each time, and can be recorded with `generators` registered.
    """

    def __init__(
        self, augment: Augment, mean: tuple[float, ...], std: tuple[float, ...], classes: int, seed: int,
        device: torch.device, smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        self.augment, self.run_seed, self.device = augment, seed, device
        self.mean = torch.tensor(mean, device=device).reshape(1, -1, 1, 1)
        self.std = torch.tensor(std, device=device).reshape(1, -1, 1, 1)
        self.classes, self.smoothing = classes, smoothing
        ends = [augment.one_of.get(name, 0.0) for name in CHOICES]
        self.ends = torch.tensor(ends, device=device).cumsum(0)
        self.epoch = torch.zeros((), dtype=torch.int64, device=device)
        self.draws, self.noise = (torch.Generator(device) for _ in range(2))

    @property
    def generators(self) -> tuple[torch.Generator, ...]:
        """All that a call draws from."""
        return self.draws, self.noise

    def seed(self, step: int, epoch: int) -> None:
        """Makes the next call that of a step of an epoch, both counted from 0."""
        self.draws.manual_seed(seed_of(self.run_seed, "augment", step))
        self.noise.manual_seed(seed_of(self.run_seed, "noise", step))
        self.epoch.fill_(epoch)

    def normalised(self, images: Tensor) -> Tensor:
        """(N, C, H, W) uint8 as floats of mean 0 and deviation 1."""
        return (images.float() / 255 - self.mean) / self.std

    def __call__(
        self, images: Tensor, labels: Tensor, indices: Tensor, place: Place
    ) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) float32 and targets (N, classes) of the examples `indices`, (N,) int64."""
        do = self.augment
        rows = slice(place.first, place.first + len(labels))
        uniform = self._rows(place, 16, rows)
        x = images.float() / 255
        if do.rand_layers:
            x = rand_augment(
                x, do.rand_layers, do.rand_magnitude, self._rows(place, 3 * do.rand_layers, rows)
            )
        if do.crop:
            x = crop(x, do.crop, uniform[:, 0], uniform[:, 1])
        flipped, noisy, rotated = self._chosen(uniform, indices)
        if flipped is not None:
            x = torch.where(_column(flipped), x.flip(3), x)
        if rotated is not None:
            angles = (uniform[:, 4] * 2 - 1) * do.rotation
            x = torch.where(_column(rotated), rotate(x, angles), x)
        if noisy is not None:
            noise = torch.randn(rows.stop, *x.shape[1:], generator=self.noise, device=self.device)
            noise = noise[rows] * do.noise
            x = torch.where(_column(noisy), x + noise, x)
        x = (x - self.mean) / self.std
        if do.cutout:
            x = x.masked_fill(square(x, do.cutout, uniform[:, 5], uniform[:, 6]), 0.0)
        targets = self._targets(labels)
        if do.mixup or do.cutmix:
            x, targets = self._mixed(x, targets, uniform, self._shares(place)[rows])
        return x, targets

    def _rows(self, place: Place, columns: int, rows: slice) -> Tensor:
        return torch.rand(place.batch, columns, generator=self.draws, device=self.device)[rows]

    def _targets(self, labels: Tensor) -> Tensor:
        hot = (labels[:, None] == torch.arange(self.classes, device=self.device)).float()
        return hot * (1 - self.smoothing) + self.smoothing / self.classes

    def _chosen(self, uniform: Tensor, indices: Tensor) -> tuple[Tensor | None, ...]:
        """Masks of the examples that are flipped, get noise, are rotated; None where none ever is."""
        do = self.augment
        if do.one_of:
            choice = torch.searchsorted(self.ends, uniform[:, 2].contiguous(), right=True)
            return tuple(choice == i if do.one_of.get(CHOICES[i]) else None for i in (1, 2, 3))
        everyone = torch.ones_like(uniform[:, 3], dtype=torch.bool)
        flipped = None
        if do.flip == "random":
            flipped = uniform[:, 3] < 0.5
        elif do.flip == "alternating":  # Jordan 2024, arXiv:2404.00498: every other epoch, half of them first
            bits = (indices * 0x9E3779B1 + self.run_seed * 0x85EBCA77) >> 15
            flipped = (bits + self.epoch) % 2 == 1
        return flipped, everyone if do.noise else None, everyone if do.rotation else None

    def _shares(self, place: Place) -> Tensor:
        """(batch, 2): how much of itself each example keeps under MixUp, and under CutMix."""
        alphas: list[Any] = [self.augment.mixup or 1.0, self.augment.cutmix or 1.0]
        columns = []
        for alpha in alphas:
            both = torch.full((place.batch, 2), alpha, device=self.device)
            columns.append(torch._sample_dirichlet(both, generator=self.draws)[:, 0])
        return torch.stack(columns, 1)

    def _mixed(self, x: Tensor, targets: Tensor, uniform: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Each example mixed with its neighbour in the shuffled batch, which is in the same chunk."""
        partner = torch.arange(len(x), device=self.device) ^ 1
        partner = partner.clamp(max=len(x) - 1)
        if self.augment.mixup and self.augment.cutmix:
            cut = uniform[:, 7] < 0.5
        else:
            cut = torch.full((len(x),), bool(self.augment.cutmix), device=self.device)
        keep = shares[:, 0]
        side = (1 - shares[:, 1]).sqrt()
        box = rectangle(x, side, side, uniform[:, 8], uniform[:, 9])
        left = 1 - box.float().mean((1, 2, 3))
        keep = torch.where(cut, left, keep)
        pasted = torch.where(box, x[partner], x)
        blended = x * _column(keep) + x[partner] * _column(1 - keep)
        mixed = torch.where(_column(cut), pasted, blended)
        return mixed, targets * keep[:, None] + targets[partner] * (1 - keep)[:, None]


def crop(x: Tensor, border: int, down: Tensor, right: Tensor) -> Tensor:
    """Windows of the images with a reflected border; `down` and `right` in [0, 1) place each."""
    height, width = x.shape[2:]
    padded = F.pad(x, [border] * 4, mode="reflect")
    rows = (down * (2 * border + 1)).long()[:, None] + torch.arange(height, device=x.device)
    columns = (right * (2 * border + 1)).long()[:, None] + torch.arange(width, device=x.device)
    example = torch.arange(len(x), device=x.device)[:, None, None, None]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]]


def rotate(x: Tensor, degrees: Tensor) -> Tensor:
    """Each image turned anticlockwise about its centre, bilinear, black outside."""
    turn = torch.deg2rad(degrees)
    cos, sin, zero = turn.cos(), turn.sin(), torch.zeros_like(turn)
    ratio = x.shape[2] / x.shape[3]
    matrix = torch.stack(
        [torch.stack([cos, -sin * ratio, zero], 1), torch.stack([sin / ratio, cos, zero], 1)], 1
    )
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def square(x: Tensor, side: int, down: Tensor, right: Tensor) -> Tensor:
    """(N, 1, H, W): true in a square of `side` whose centre is anywhere, as Cutout's (arXiv:1708.04552)."""
    y = torch.arange(x.shape[2], device=x.device)[None, :, None]
    z = torch.arange(x.shape[3], device=x.device)[None, None, :]
    top = (down * x.shape[2]).long()[:, None, None] - side // 2
    left = (right * x.shape[3]).long()[:, None, None] - side // 2
    return ((y >= top) & (y < top + side) & (z >= left) & (z < left + side))[:, None]


def rectangle(x: Tensor, height: Tensor, width: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """(N, 1, H, W): true in a rectangle of a share of each side, centred anywhere, clipped at the border."""
    y = torch.arange(x.shape[2], device=x.device)[None, :, None] + 0.5
    z = torch.arange(x.shape[3], device=x.device)[None, None, :] + 0.5
    tall, wide = height[:, None, None] * x.shape[2], width[:, None, None] * x.shape[3]
    middle, across = down[:, None, None] * x.shape[2], right[:, None, None] * x.shape[3]
    return (((y - middle).abs() * 2 < tall) & ((z - across).abs() * 2 < wide))[:, None]


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]
