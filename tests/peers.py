"""Reference implementations the tests compare with: needed in CI, skipped where they are not installed."""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

import pytest


def peer(name: str) -> Any:
    """A module; missing, the test is skipped, or in CI fails."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{name} is not installed")


@cache
def _declare_torchvision_ops() -> Any:
    """Its compiled operators are absent from CPU-only installs without dependencies; the schemas must exist."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        library.define(schema)
    return library  # operators vanish with it


def import_torchvision() -> Any:
    """torchvision, with its models."""
    _declare_torchvision_ops()
    peer("torchvision.models")
    return peer("torchvision")


def import_timm() -> Any:
    """timm, which imports torchvision."""
    import_torchvision()
    return peer("timm")
