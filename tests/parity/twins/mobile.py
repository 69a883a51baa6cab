"""Mobile and scaled networks, and ConvNeXt."""

from __future__ import annotations

from typing import Any

from tests.parity.twin import Twin

TORCHVISION = "torchvision.models"
TIMM = "timm.models.efficientnet"

SIZE, ODD = (3, 64, 64), (3, 75, 91)
SMALL = {
    "mobilenetv1_100",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "efficientnet_b0",
    "tf_efficientnet_b0",
    "efficientnet_v2_s",
    "convnext_tiny",
}


def _twin(spec: str, module: str = TORCHVISION, name: str = "", **how: Any) -> Twin:
    return Twin(spec, f"{module}:{name or spec}", input=SIZE, odd=ODD, small=spec in SMALL, **how)


def _thin_v1(width: float) -> Twin:
    """timm names only the full width; its generator takes the others."""
    kwargs = {"variant": "mobilenetv1_100", "channel_multiplier": width}
    return _twin(f"mobilenetv1_{round(100 * width):03}", TIMM, "_gen_mobilenet_v1", kwargs=kwargs)


TWINS = [
    _twin("mobilenetv1_100", TIMM),
    *(_thin_v1(width) for width in (0.25, 0.5, 0.75)),
    _twin("mobilenet_v2"),
    _twin("mobilenet_v3_large"),
    _twin("mobilenet_v3_small"),
    *(_twin(f"shufflenet_v2_x{width}") for width in ("0_5", "1_0", "1_5", "2_0")),
    *(_twin(f"mnasnet{width}") for width in ("0_5", "0_75", "1_0", "1_3")),
    *(_twin(f"efficientnet_b{i}") for i in range(8)),
    _twin("tf_efficientnet_b0", TIMM),
    *(_twin(f"efficientnet_v2_{size}") for size in "sml"),
    *(_twin(f"convnext_{size}") for size in ("tiny", "small", "base", "large")),
    _twin("convnext_ladder_00_resnet50", TORCHVISION, "resnet50"),
    _twin("convnext_ladder_15_separate_downsampling", TORCHVISION, "convnext_tiny"),
]
