"""Commands that run networks need more than the core install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

TRAIN = frozenset({"torch", "numpy", "safetensors"})


@contextmanager
def needs_torch(what: str) -> Iterator[None]:
    """Within it, a missing torch is told as a message with its remedy; exit code 1."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in TRAIN:
            raise
        raise click.ClickException(f"{what} needs {error.name}: pip install 'archc[train]'") from None
