"""From an encoded image to pixels: which part of it, at which size, by Pillow."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor

RATIOS = (3 / 4, 4 / 3)
"""Of width to height, of random parts; as the Inception papers have it."""
TRIES = 10

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


class Unreadable(Exception):
    """Bytes that are no image, or a damaged one."""


@dataclass(frozen=True, slots=True)
class View:
    """What becomes of an image: shape (channels, height, width); which part of it; how it is resized.

    crop: share of the largest part of the shape's proportions that is kept, about the middle. random: the
    smallest share of the area a random part may have, 0 for the middle. Random parts are for training, where
    JPEG is decoded at a fraction of its size if that is enough.
    """

    shape: tuple[int, ...]
    crop: float = 1.0
    random: float = 0.0
    bicubic: bool = False


def decode(data: bytes, view: View, draw: Random | None = None) -> Tensor:
    """(channels, height, width) uint8 of an encoded image. draw: for a random part. Raises Unreadable."""
    from PIL import Image, UnidentifiedImageError

    height, width = view.shape[1:]
    mode = "L" if view.shape[0] == 1 else "RGB"
    try:
        with Image.open(io.BytesIO(data)) as image:
            whole = image.size
            box = (
                random_box(*whole, view.random, draw)
                if draw and view.random
                else middle(*whole, width / height, view.crop)
            )
            if draw:
                across, down = box[2] - box[0], box[3] - box[1]
                image.draft(mode, (math.ceil(whole[0] * width / across), math.ceil(whole[1] * height / down)))
            plain = image.convert(mode)
    except UnidentifiedImageError:
        raise Unreadable("not an image") from None
    except Exception as error:  # Pillow raises whatever its decoders run into
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    scale = plain.width / whole[0], plain.height / whole[1]
    box = (box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1])
    if plain.size != (width, height) or box != (0, 0, width, height):
        kind = Image.Resampling.BICUBIC if view.bicubic else Image.Resampling.BILINEAR
        plain = plain.resize((width, height), kind, box)
    array = np.array(plain, dtype=np.uint8)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


def middle(width: int, height: int, ratio: float, crop: float = 1.0) -> Box:
    """The largest part of a ratio of width to height about the middle, each side times `crop`."""
    across, down = min(width, height * ratio) * crop, min(height, width / ratio) * crop
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def random_box(width: int, height: int, smallest: float, draw: Random) -> Box:
    """A part of at least `smallest` of the area, of a random ratio (Szegedy et al. 2015, arXiv:1409.4842).

    Drawn as torchvision does: the ratio's logarithm evenly; after ten misses the middle, of the nearest ratio.
    """
    for _ in range(TRIES):
        area = width * height * draw.uniform(smallest, 1)
        ratio = math.exp(draw.uniform(*map(math.log, RATIOS)))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left, top = draw.randint(0, width - across), draw.randint(0, height - down)
            return left, top, left + across, top + down
    return middle(width, height, min(max(width / height, RATIOS[0]), RATIOS[1]))
