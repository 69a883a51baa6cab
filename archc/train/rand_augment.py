"""RandAugment (Cubuk et al. 2020, arXiv:1909.13719), every image its own operations, the batch at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

FULL = 30.0
"""The magnitude at which an operation has its own full strength."""

Operation = Callable[[Tensor, Tensor], Tensor]
"""(N, C, H, W) in [0, 1] and strengths (N,), 1 being full, as the same images changed."""


def rand_augment(x: Tensor, picks: Tensor, strengths: Tensor) -> Tensor:
    """The images after their operations.

    picks: (N, layers) numbers of operations, on the CPU: so how many images each one has is known without
    waiting for the device. strengths: (N, layers), 1 being full, negative the other way.
    """
    for which, strength in zip(picks.unbind(1), strengths.unbind(1), strict=True):
        order = moved(which.argsort(), x.device)
        counts = torch.bincount(which, minlength=len(OPERATIONS)).tolist()
        result = torch.empty_like(x)
        for operation, chosen in zip(OPERATIONS.values(), torch.split(order, counts), strict=True):
            if len(chosen):
                result.index_copy_(0, chosen, operation(x[chosen], strength[chosen]))
        x = result
    return x


def moved(values: Tensor, device: torch.device) -> Tensor:
    """A small tensor of the CPU's on a device, which is not waited for."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def _grey(x: Tensor) -> Tensor:
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = x.unbind(1)
    return (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]


def _blend(other: Tensor, x: Tensor, strength: Tensor) -> Tensor:
    factor = (1 + 0.9 * strength).clamp(min=0.1)
    return torch.lerp(other, x, factor[:, None, None, None]).clamp_(0, 1)


def _affine(x: Tensor, rows: list[list[Tensor]]) -> Tensor:
    matrix = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", align_corners=False)


def shear_x(x: Tensor, strength: Tensor) -> Tensor:
    """Up to 0.3 pixels a row."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, [[one, strength * 0.3 * x.shape[2] / x.shape[3], zero], [zero, one, zero]])


def shear_y(x: Tensor, strength: Tensor) -> Tensor:
    """Up to 0.3 pixels a column."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, [[one, zero, zero], [strength * 0.3 * x.shape[3] / x.shape[2], one, zero]])


def translate_x(x: Tensor, strength: Tensor) -> Tensor:
    """Up to 45 % of the width."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, [[one, zero, strength * 0.9], [zero, one, zero]])


def translate_y(x: Tensor, strength: Tensor) -> Tensor:
    """Up to 45 % of the height."""
    one, zero = torch.ones_like(strength), torch.zeros_like(strength)
    return _affine(x, [[one, zero, zero], [zero, one, strength * 0.9]])


def turn(x: Tensor, strength: Tensor) -> Tensor:
    """Up to 30°."""
    angle = torch.deg2rad(strength * 30)
    ratio, zero = x.shape[2] / x.shape[3], torch.zeros_like(angle)
    return _affine(x, [[angle.cos(), -angle.sin() * ratio, zero], [angle.sin() / ratio, angle.cos(), zero]])


def brightness(x: Tensor, strength: Tensor) -> Tensor:
    """Towards black, or away, by up to 0.9."""
    return _blend(torch.zeros_like(x), x, strength)


def contrast(x: Tensor, strength: Tensor) -> Tensor:
    """Towards the mean grey, or away."""
    return _blend(_grey(x).mean((1, 2, 3), keepdim=True).expand_as(x), x, strength)


def colour(x: Tensor, strength: Tensor) -> Tensor:
    """Towards grey, or away."""
    return _blend(_grey(x).expand_as(x), x, strength)


def sharpness(x: Tensor, strength: Tensor) -> Tensor:
    """Towards a smoothed image, or away; the border stays."""
    inner = F.avg_pool2d(x, 3, 1) * (9 / 13) + x[:, :, 1:-1, 1:-1] * (
        4 / 13
    )  # PIL's kernel: 1, in the middle 5
    smooth = x.clone()
    smooth[:, :, 1:-1, 1:-1] = inner
    return _blend(smooth, x, strength)


def posterize(x: Tensor, strength: Tensor) -> Tensor:
    """Down to 4 bits of the 8."""
    bits = (8 - (4 * strength.abs().clamp(max=1)).round())[:, None, None, None]
    step = 2 ** (8 - bits)
    return ((x * 255).round() / step).floor() * step / 255


def solarize(x: Tensor, strength: Tensor) -> Tensor:
    """Inverts what is at or above a threshold, from 1 down to 0."""
    return torch.where(x >= 1 - strength.abs()[:, None, None, None], 1 - x, x)


def autocontrast(x: Tensor, strength: Tensor) -> Tensor:
    """Stretches each channel to the whole range."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp(min=1e-6), x)


def equalize(x: Tensor, strength: Tensor) -> Tensor:
    """Flattens the histogram of each channel, as PIL does."""
    levels = (x * 255).round().long().flatten(2)
    counts = torch.zeros(*levels.shape[:2], 256, device=x.device, dtype=torch.long)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    top = counts.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - top) // 255
    table = (counts.cumsum(2) - counts + step // 2) // step.clamp(min=1)
    mapped = table.clamp(0, 255).gather(2, levels)
    return torch.where(step > 0, mapped, levels).reshape(x.shape).to(x.dtype) / 255


def unchanged(x: Tensor, strength: Tensor) -> Tensor:
    """As it is."""
    return x


OPERATIONS: dict[str, Operation] = {
    f.__name__: f
    for f in (
        unchanged, shear_x, shear_y, translate_x, translate_y, turn, brightness, colour, contrast, sharpness,
        posterize, solarize, autocontrast, equalize,
    )
}  # fmt: skip
