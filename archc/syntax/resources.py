"""Where the files that travel with the package are: the grammar and the shipped specs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

_CHECKOUT = Path(__file__).resolve().parents[2]


def data_root(kind: Literal["grammar", "specs"]) -> Path:
    """The folder of shipped `kind` files: `archc/_data/<kind>` of a wheel, else `<checkout>/<kind>`."""
    shipped = Path(str(files("archc"))) / "_data" / kind
    return shipped if shipped.is_dir() else _CHECKOUT / kind
