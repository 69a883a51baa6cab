"""Commands that run networks need more than the core install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

EXTRAS = {
    **dict.fromkeys(("torch", "numpy", "safetensors"), "train"),
    **dict.fromkeys(("onnx", "onnxscript", "onnxruntime"), "onnx"),
}
"""The extra that installs a package."""


@contextmanager
def needs_torch(what: str) -> Iterator[None]:
    """Within it, a missing torch, or a package of an export, is told as a message with its remedy; exit code 1."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        message = f"{what} needs {error.name}: pip install 'archc[{EXTRAS[error.name]}]'"
        raise click.ClickException(message) from None
