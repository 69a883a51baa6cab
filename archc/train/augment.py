"""Augmentation of whole batches on the device, drawn for each example apart.

All draws of a step are made for the batch of all ranks, of which a rank takes its rows; so what an example
goes through does not depend on how many processes there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from archc.train.decoding import RATIOS, TRIES
from archc.train.faults import DataError
from archc.train.rand_augment import FULL, OPERATIONS, brightness, colour, contrast, rand_augment
from archc.train.recipe import Augment
from archc.train.seeds import seed_of

ERASED_AREAS, ERASED_RATIOS = (0.02, 0.4), (0.3, 1 / 0.3)
COLOUR_AXES = (
    (-0.5675 * 0.2175, -0.5808 * 0.2175, -0.5836 * 0.2175),
    (0.7192 * 0.0188, -0.0045 * 0.0188, -0.6948 * 0.0188),
    (0.4009 * 0.0045, -0.8140 * 0.0045, 0.4203 * 0.0045),
)
"""Main axes of the colours of ImageNet, each times its eigenvalue (Krizhevsky et al. 2012), as in pycls."""
CHOICES: tuple[Literal["none", "flip", "noise", "rotation"], ...] = ("none", "flip", "noise", "rotation")


@dataclass(frozen=True)
class Place:
    """Where a chunk of examples is: the first of its rows in the batch of all ranks, and the size of that."""

    first: int
    batch: int


class Augmenter:
    """Turns uint8 images and labels into normalised images and target probabilities.

    mean and std: of each channel, of a range of 1. classes: how many there are. What a call draws is set by `seed`
    before it. Nothing waits for the device; but for RandAugment a call is the same launches each time, and can be
    recorded with `generators` registered.
    """

    def __init__(
        self, augment: Augment, mean: tuple[float, ...], std: tuple[float, ...], classes: int, seed: int,
        device: torch.device, smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        self.augment, self.run_seed, self.device = augment, seed, device
        self.mean = torch.tensor(mean, device=device).reshape(1, -1, 1, 1)
        self.std = torch.tensor(std, device=device).reshape(1, -1, 1, 1)
        self.scale, self.shift = 1 / (255 * self.std), -self.mean / self.std
        self.classes, self.smoothing = classes, smoothing
        ends = [augment.one_of.get(name, 0.0) for name in CHOICES]
        self.ends = torch.tensor(ends, device=device).cumsum(0)
        self.axes = torch.tensor(COLOUR_AXES, device=device)
        self.epoch = torch.zeros((), dtype=torch.int64, device=device)
        self.draws, self.noise = (torch.Generator(device) for _ in range(2))
        self.choices = torch.Generator()  # what the host has to know
        if augment.lighting and len(mean) != 3:
            raise DataError(f"augment.lighting is for images of three channels, these have {len(mean)}")

    @property
    def generators(self) -> tuple[torch.Generator, ...]:
        """All that a call that can be recorded draws from."""
        return self.draws, self.noise

    def seed(self, step: int, epoch: int) -> None:
        """Makes the next call that of a step of an epoch, both counted from 0."""
        self.draws.manual_seed(seed_of(self.run_seed, "augment", step))
        self.noise.manual_seed(seed_of(self.run_seed, "noise", step))
        self.choices.manual_seed(seed_of(self.run_seed, "choices", step))
        self.epoch.fill_(epoch)

    def normalised(self, images: Tensor) -> Tensor:
        """(N, C, H, W) uint8 as floats of mean 0 and deviation 1."""
        return (images * self.scale).add_(self.shift)

    def __call__(
        self, images: Tensor, labels: Tensor, indices: Tensor, place: Place
    ) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) float32 and targets (N, classes) of the examples `indices`, (N,) int64."""
        do = self.augment
        rows = slice(place.first, place.first + len(labels))
        uniform = self._rows(place, 16, rows)
        flipped, noisy, rotated = self._chosen(uniform, indices)
        if do.crop:
            images = crop(images, do.crop, uniform[:, 0], uniform[:, 1], flipped)
        elif flipped is not None:
            images = torch.where(_column(flipped), images.flip(3), images)
        if self._in_pixels:
            x = self._coloured(images / 255, uniform, rotated, noisy, place, rows)
            x = (x - self.mean).div_(self.std)
        else:
            x = self.normalised(images)
        if do.cutout:
            x.masked_fill_(square(x, do.cutout, uniform[:, 5], uniform[:, 6]), 0.0)
        if do.erase:
            x = self._erased(x, uniform[:, 10], place, rows)
        targets = self._targets(labels)
        if do.mixup or do.cutmix:
            x, targets = self._mixed(x, targets, uniform, self._shares(place)[rows])
        return x, targets

    @property
    def _in_pixels(self) -> bool:
        """Whether anything is done to values of a range of 1."""
        do = self.augment
        return any((do.resized_crop, do.rand_layers, do.jitter, do.lighting, do.rotation, do.noise))

    def _coloured(
        self,
        x: Tensor,
        uniform: Tensor,
        rotated: Tensor | None,
        noisy: Tensor | None,
        place: Place,
        rows: slice,
    ) -> Tensor:
        do = self.augment
        if do.resized_crop:
            x = resized_part(x, do.resized_crop, self._rows(place, 2 * TRIES + 2, rows))
        if do.rand_layers:
            x = self._rand_augmented(x, place, rows)
        if do.jitter:
            for number, change in enumerate((brightness, contrast, colour)):
                x = change(x, (uniform[:, 11 + number] * 2 - 1) * (do.jitter / 0.9))
        if do.lighting:
            along = torch.randn(place.batch, 3, generator=self.draws, device=self.device)[rows] * do.lighting
            x = x + (along @ self.axes)[:, :, None, None]
        if rotated is not None:
            angles = (uniform[:, 4] * 2 - 1) * do.rotation
            x = torch.where(_column(rotated), rotate(x, angles), x)
        if noisy is not None:
            noise = torch.randn(place.batch, *x.shape[1:], generator=self.noise, device=self.device)
            x = torch.where(_column(noisy), x + noise[rows] * do.noise, x)
        return x

    def _rand_augmented(self, x: Tensor, place: Place, rows: slice) -> Tensor:
        do = self.augment
        shape = (place.batch, do.rand_layers)
        picks = torch.randint(len(OPERATIONS), shape, generator=self.choices)
        left_out = torch.rand(shape, generator=self.choices) >= do.rand_prob
        picks = picks.masked_fill_(left_out, list(OPERATIONS).index("unchanged"))
        signs = self._rows(place, do.rand_layers, rows) < 0.5
        spread = torch.randn(shape, generator=self.draws, device=self.device)[rows] * do.rand_std
        strengths = ((do.rand_magnitude + spread) / FULL).clamp_(0, 2)
        return rand_augment(x, picks[rows], torch.where(signs, -strengths, strengths))

    def _erased(self, x: Tensor, uniform: Tensor, place: Place, rows: slice) -> Tensor:
        """With a rectangle of evenly drawn pixels: RandomErasing's RE-R (Zhong et al. 2020, arXiv:1708.04896)."""
        box = boxes(x, self._rows(place, 2 * TRIES + 2, rows), ERASED_AREAS, ERASED_RATIOS)
        pixels = torch.rand(place.batch, *x.shape[1:], generator=self.noise, device=self.device)[rows]
        inside = rectangle(x, *box) & _column(uniform < self.augment.erase)
        return torch.where(inside, (pixels - self.mean).div_(self.std), x)

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


def crop(x: Tensor, border: int, down: Tensor, right: Tensor, flipped: Tensor | None = None) -> Tensor:
    """Windows of the images with a reflected border; `down` and `right` in [0, 1) place each; some mirrored."""
    height, width = x.shape[2:]
    if border >= min(height, width):
        raise DataError(f"augment.crop is {border}, which is no border of {height}×{width} images")
    rows = _reflected(down, border, height)
    columns = _reflected(right, border, width)
    if flipped is not None:
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
    return x.flatten(2).gather(2, pixels[:, None].expand(-1, x.shape[1], -1)).reshape(x.shape)


def _reflected(start: Tensor, border: int, size: int) -> Tensor:
    """(N, size): the pixels of a line that a window of the line with its border shows."""
    wanted = (start * (2 * border + 1)).long()[:, None] + torch.arange(
        -border, size - border, device=start.device
    )
    return size - 1 - (size - 1 - wanted.abs()).abs()


def boxes(
    x: Tensor, uniform: Tensor, areas: tuple[float, float], ratios: tuple[float, float]
) -> tuple[Tensor, ...]:
    """Height, width, and middle (down, right) of a rectangle in each image, as shares of its sides.

    uniform: (N, 2·TRIES + 2). The first of TRIES rectangles that fits; where none does, a square of the least area.
    """
    height, width = x.shape[2:]
    area = areas[0] + (areas[1] - areas[0]) * uniform[:, :TRIES]
    low, high = map(math.log, ratios)
    ratio = (low + (high - low) * uniform[:, TRIES : 2 * TRIES]).exp() * (height / width)
    wide, tall = (area * ratio).sqrt(), (area / ratio).sqrt()
    fits = ((wide <= 1) & (tall <= 1)).byte()
    first, found = fits.argmax(1, keepdim=True), fits.amax(1).bool()
    least = areas[0] ** 0.5
    wide = torch.where(found, wide.gather(1, first)[:, 0], least)
    tall = torch.where(found, tall.gather(1, first)[:, 0], least)
    down, right = uniform[:, -2] * (1 - tall) + tall / 2, uniform[:, -1] * (1 - wide) + wide / 2
    return tall, wide, down, right


def resized_part(x: Tensor, smallest: float, uniform: Tensor) -> Tensor:
    """A random part of each image, of at least a share of its area, at the size of the whole; bilinear."""
    tall, wide, down, right = boxes(x, uniform, (smallest, 1.0), RATIOS)
    zero = torch.zeros_like(tall)
    matrix = torch.stack([wide, zero, right * 2 - 1, zero, tall, down * 2 - 1], 1).reshape(-1, 2, 3)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


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
