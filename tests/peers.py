"""Reference implementations the tests compare with: needed in CI, skipped where they are not installed."""

from __future__ import annotations

import os
from typing import Any

import pytest

from archc.diagnostics import ArchError
from archc.measure.foreign import import_foreign


def peer(name: str) -> Any:
    """A module; missing, the test is skipped, or in CI fails."""
    try:
        return import_foreign(name)
    except ArchError as error:
        if os.environ.get("CI") or not isinstance(error.__cause__, ImportError):
            raise
        pytest.skip(f"{name} is not installed")


def import_torchvision() -> Any:
    """torchvision, with its models."""
    peer("torchvision.models")
    return peer("torchvision")


def import_timm() -> Any:
    """timm, which imports torchvision."""
    import_torchvision()
    return peer("timm")
