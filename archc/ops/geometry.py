"""Window arithmetic shared by convolutions and pools."""

from __future__ import annotations

from typing import Literal

from archc.ops.base import OpError, Shape
from archc.ops.params import Pair

Padding = int | Pair | Literal["half", "symmetric", "same", "valid"]
"""Explicit (one number or (height, width)), or a convention:

`half` is dilation·(kernel-1)//2 (torchvision), `symmetric` ((stride-1)+dilation·(kernel-1))//2 (timm),
`same` TensorFlow's, computed from the input size and possibly uneven, `valid` none.
"""


def resolve_padding(padding: Padding, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, bool]:
    """Explicit (height, width) padding, and whether it must be computed from the input (`same`)."""
    if isinstance(padding, int):
        return (padding, padding), False
    if isinstance(padding, tuple):
        return padding, False
    if padding == "same":
        spans = (dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1))
        if stride == (1, 1) and spans[0] % 2 == 0 and spans[1] % 2 == 0:
            return (spans[0] // 2, spans[1] // 2), False  # even, whatever the input size
        return (0, 0), True
    if padding == "valid":
        return (0, 0), False
    if padding == "half":
        return (dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2), False
    return (
        ((stride[0] - 1) + dilation[0] * (kernel[0] - 1)) // 2,
        ((stride[1] - 1) + dilation[1] * (kernel[1] - 1)) // 2,
    ), False


def window_output(
    op: str, x: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, ceil: bool = False
) -> Pair:
    """(height, width) of a sliding window's output over (C, H, W); raises OpError if it does not fit."""
    pads, same = resolve_padding(padding, kernel, stride, dilation)
    if same:
        return -(-x[1] // stride[0]), -(-x[2] // stride[1])
    sizes = []
    for d in (0, 1):
        size, span = x[1 + d] + 2 * pads[d], dilation[d] * (kernel[d] - 1) + 1
        if span > size:
            raise OpError(
                "E0310",
                f"{op}: a {kernel[0]}×{kernel[1]} window does not fit an input of {x[1]}×{x[2]}"
                + (f" padded by {pads[0]}×{pads[1]}" if any(pads) else ""),
                argument="kernel",
                label=f"spans {span} of {size} pixels",
                help=("use a smaller kernel or stride before it, more padding, or a larger input",),
                about_input=True,
            )
        steps = size - span
        out = steps // stride[d] + 1
        if ceil and steps % stride[d] and out * stride[d] < x[1 + d] + pads[d]:
            out += 1  # a last window that would start in the right padding is dropped
        sizes.append(out)
    return sizes[0], sizes[1]


def window_recover(x: Shape, channels: int, stride: Pair) -> Shape:
    """The likeliest output shape of a window that did not fit."""
    if len(x) != 3:
        return (channels, 1, 1)
    return (channels, -(-x[1] // stride[0]), -(-x[2] // stride[1]))


def times(size: Pair) -> str:
    """`3×3`."""
    return f"{size[0]}×{size[1]}"


def per(stride: Pair) -> str:
    """` /2`, ` /2×1`, or nothing for stride 1."""
    if stride == (1, 1):
        return ""
    return f" /{stride[0]}" if stride[0] == stride[1] else f" /{times(stride)}"
