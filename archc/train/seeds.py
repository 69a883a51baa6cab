"""Random numbers as a function of what they are for: no generator outlives the step it was made for."""

from __future__ import annotations

import hashlib

import torch


def seed_of(seed: int, *purpose: int | str) -> int:
    """A seed below 2⁶³ for one purpose."""
    text = ":".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(seed: int, *purpose: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for one purpose, such as (seed, "order", epoch)."""
    return torch.Generator(device).manual_seed(seed_of(seed, *purpose))
