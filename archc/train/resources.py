"""Where the shipped recipes and the embedded data are."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def recipes_root() -> Path:
    """The folder of shipped recipes: `archc/_data/recipes` of a wheel, else the checkout's examples."""
    shipped = Path(str(files("archc"))) / "_data" / "recipes"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[2] / "examples" / "recipes"


def digits_file() -> Path:
    """The embedded digits."""
    return Path(str(files("archc"))) / "train" / "data" / "digits.npz"
