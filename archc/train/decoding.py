"""From an encoded image to pixels: which part of it, at which size, by Pillow."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

RATIOS = (3 / 4, 4 / 3)
"""Of width to height, of random parts; as the Inception papers have it."""
TRIES = 10

TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""EXIF's orientations as Pillow's `Transpose`; 5 to 8 lie on their side."""

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
    """(channels, height, width) uint8 of an encoded image, turned upright as its EXIF says.

    16 bits a pixel become 8. draw: for a random part. Raises Unreadable.
    """
    from PIL import Image, UnidentifiedImageError

    height, width = view.shape[1:]
    mode = "L" if view.shape[0] == 1 else "RGB"
    try:
        # not heard: Pillow's warnings of palettes, damaged EXIF and sizes below its limit
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            orientation = _orientation(image)
            whole = image.size[::-1] if orientation > 4 else image.size
            box = (
                random_box(*whole, view.random, draw)
                if draw and view.random
                else middle(*whole, width / height, view.crop)
            )
            if draw:
                across, down = box[2] - box[0], box[3] - box[1]
                least = (math.ceil(whole[0] * width / across), math.ceil(whole[1] * height / down))
                image.draft(mode, least[::-1] if orientation > 4 else least)
            plain = _plain(image, mode)
            if orientation in TURNS:
                plain = plain.transpose(Image.Transpose(TURNS[orientation]))
    except UnidentifiedImageError:
        raise Unreadable("not an image") from None
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels") from None
    except Exception as error:  # Pillow raises whatever its decoders run into
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    scale = plain.width / whole[0], plain.height / whole[1]
    box = (box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1])
    if plain.size != (width, height) or box != (0, 0, width, height):
        kind = Image.Resampling.BICUBIC if view.bicubic else Image.Resampling.BILINEAR
        plain = plain.resize((width, height), kind, box)
    array = np.array(plain, dtype=np.uint8)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


def _orientation(image: Picture) -> int:
    """What EXIF says: 1 where it says nothing, or cannot be read. Pillow itself turns TIFFs."""
    if "exif" not in image.info:
        return 1
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF is no damaged image, and Pillow raises whatever it runs into
        return 1
    return found if isinstance(found, int) else 1


def _plain(image: Picture, mode: str) -> Picture:
    """The image in `L` or `RGB`; Pillow would cut off at 255 what has more than 8 bits."""
    if image.mode.startswith("I;16"):
        from PIL.Image import fromarray

        pixels = np.asarray(image).astype(np.uint16) >> 8
        return fromarray(pixels.astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise Unreadable("its pixels have 32 bits and no known range: save it with 8 or 16")
    return image.convert(mode)


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
