"""What lies where in the directory of a run, for those who only read it; nothing heavy is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def weights_file(directory: Path, kind: str = "") -> Path:
    """The weights of a finished run. kind: "model" or "ema"; default: the average where there is one."""
    chosen = kind or ("ema" if (directory / "ema.safetensors").exists() else "model")
    return directory / f"{chosen}.safetensors"


def inputs_of(directory: Path) -> dict[str, Any]:
    """What a finished run's network expects of an image and what its outputs mean, JSON-ready.

    Images: the middle of the shorter side's ratio times `crop`, resized to `size` (channels, height, width), of a
    range of 1, less `mean`, over `std`. Raises OSError, ValueError or KeyError for what is no finished run.
    """
    found = json.loads((directory / "result.json").read_text())
    data = found["recipe"]["data"]
    return {
        "size": found["test_shape"],
        "crop": data["test_crop"],
        "interpolation": data["interpolation"],
        **found["normalisation"],
        "classes": found["classes"],
    }
