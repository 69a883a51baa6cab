"""Checks of input shapes that several ops share."""

from __future__ import annotations

import re
from math import isqrt

from archc.ops.base import OpError, Shape


def describe_shape(shape: Shape) -> str:
    """`a 64×56×56 feature map`, `a vector of 512`."""
    text = "×".join(map(str, shape))
    a = "an" if _SPOKEN_WITH_VOWEL.match(text) else "a"
    return {1: f"a vector of {text}", 3: f"{a} {text} feature map"}.get(len(shape), f"{a} {text} tensor")


_SPOKEN_WITH_VOWEL = re.compile(r"8|1[18](\d{3})?(?!\d)")  # eight, eleven, eighteen, eleven thousand


def need_feature_map(op: str, x: Shape) -> None:
    """Raises OpError unless the shape is (channels, height, width)."""
    if len(x) == 3:
        return
    raise OpError(
        "E0301",
        f"{op}: needs a feature map (channels, height, width), got {describe_shape(x)}",
        label="height and width are gone here" if len(x) == 1 else f"got {len(x)} dimensions",
        help=(
            f"apply {op} before flatten or global_avg_pool, or keep the map: global_avg_pool(keepdim = true)",
        )
        if len(x) == 1
        else (),
        about_input=True,
    )


def need_vector(op: str, x: Shape) -> None:
    """Raises OpError unless the shape is (features,)."""
    if len(x) == 1:
        return
    raise OpError(
        "E0302",
        f"{op}: needs a vector, got {describe_shape(x)}",
        label=f"got {'×'.join(map(str, x))}",
        help=("put `flatten` or `global_avg_pool` before it",),
        about_input=True,
    )


def need_channels(op: str, x: Shape) -> None:
    """Raises OpError unless the shape is (channels, height, width) or (features,)."""
    if len(x) not in (1, 3):
        raise OpError(
            "E0303",
            f"{op}: needs a feature map (channels, height, width) or a vector, got {describe_shape(x)}",
            label=f"got {len(x)} dimensions",
            about_input=True,
        )


def need_dimensions(op: str, size: Shape) -> None:
    """Raises OpError for an empty shape."""
    if not size:
        raise OpError(
            "E0331",
            f"{op}: `size` must have at least one dimension",
            argument="size",
            label="no dimensions",
        )


def need_groups(op: str, channels: int, groups: int, what: str, *, about_input: bool) -> None:
    """Raises OpError unless `groups` divides `channels`."""
    if channels % groups == 0:
        return
    low = [d for d in range(1, isqrt(channels) + 1) if channels % d == 0]
    divisors = {*low, *(channels // d for d in low)}
    near = sorted(sorted(divisors, key=lambda d: max(d, groups) / min(d, groups))[:3])
    raise OpError(
        "E0312",
        f"{op}: {channels} {what} cannot be split into {groups} groups",
        argument="groups",
        label=f"{channels} is not divisible by {groups}",
        help=(f"divisors of {channels} near {groups}: {', '.join(map(str, near))}",),
        about_input=about_input,
    )
