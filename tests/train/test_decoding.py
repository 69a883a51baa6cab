"""Decoding of files as people have them: turned by EXIF, of 16 bits, with palettes, too large."""

from __future__ import annotations

import io
import warnings
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from archc.train.decoding import Unreadable, View, decode

VIEW = View((3, 6, 6))


def encoded(image: Image.Image, kind: str = "png", **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("draw", [None, Random(0)], ids=["tested", "trained"])
def test_a_photo_is_turned_as_its_exif_says(orientation: int, draw: Random | None) -> None:
    pixels = np.zeros((96, 48, 3), dtype=np.uint8)
    pixels[:32], pixels[:, :16, 1] = (200, 0, 0), 220
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = encoded(Image.fromarray(pixels), "jpeg", exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(photo)))
    expected = decode(encoded(upright), VIEW).float()
    assert (decode(photo, VIEW, draw).float() - expected).abs().mean() < 12
    if orientation > 1:  # what is not turned is far from it
        plain = decode(encoded(Image.fromarray(pixels)), VIEW).float()
        assert (plain - expected).abs().mean() > 20


def test_damaged_exif_is_no_damaged_image() -> None:
    photo = encoded(Image.new("RGB", (6, 6), (9, 99, 199)), "jpeg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(photo, VIEW).shape == (3, 6, 6)


def test_sixteen_bits_become_eight() -> None:
    pixels = np.arange(36, dtype=np.uint16).reshape(6, 6) * 1800
    found = decode(encoded(Image.fromarray(pixels)), View((1, 6, 6)))
    assert torch.equal(found[0], torch.from_numpy((pixels >> 8).astype(np.uint8)))
    assert torch.equal(decode(encoded(Image.fromarray(pixels)), VIEW)[2], found[0])


def test_pixels_of_no_known_range_are_not_guessed() -> None:
    with pytest.raises(Unreadable, match="32 bits"):
        decode(encoded(Image.fromarray(np.ones((6, 6), dtype=np.float32)), "tiff"), VIEW)


def test_palettes_with_transparency_decode_without_a_word() -> None:
    image = Image.new("RGB", (6, 6), (250, 0, 0)).convert("P")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode(encoded(image, transparency=bytes(range(8))), VIEW)
    assert found[0].float().mean() > 240


def test_more_pixels_than_anyone_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(Unreadable, match="more than 20 pixels"):
        decode(encoded(Image.new("L", (6, 6))), VIEW)
