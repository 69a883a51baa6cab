"""Where the files that travel with the package are: the grammar and the shipped specs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parents[1]


def data_root(kind: Literal["grammar", "specs"]) -> Path:
    """The folder of shipped `kind` files: `archc/_data/<kind>` of a wheel, else `<checkout>/<kind>`."""
    shipped = _PACKAGE / "_data" / kind
    return shipped if shipped.is_dir() else _PACKAGE.parent / kind
