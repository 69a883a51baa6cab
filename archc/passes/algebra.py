"""What linear maps allow: factors and shifts of their inputs or outputs become part of their weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archc.ops.base import Op
from archc.ops.conv import Conv, ConvTranspose, Window
from archc.ops.geometry import resolve_padding
from archc.ops.linear import Linear

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]


def is_linear_map(op: Op) -> bool:
    """Whether an op is an affine map with weights of its own, held as `weight` and `bias`."""
    return isinstance(op, Conv | ConvTranspose | Linear)


def has_no_padding(op: Op) -> bool:
    """Whether every output of a linear map sees only inputs, no padding."""
    if isinstance(op, Window):
        return resolve_padding(op.padding, op.kernel, op.stride, op.dilation) == ((0, 0), False)
    return isinstance(op, Linear)


def with_bias(op: Op) -> Op:
    """The same linear map with a bias."""
    return replace(op, bias=True)  # type: ignore[call-arg]  # every linear map has the field


def scale_outputs(op: Op, tensors: Tensors, factor: Any) -> None:
    """Weights and bias for `factor` times the output: a number, or one per output channel."""
    weight = tensors["weight"]
    many = getattr(factor, "ndim", 0) == 1
    if many and isinstance(op, ConvTranspose):  # (in, out // groups, height, width)
        grouped = weight.reshape(op.groups, -1, *weight.shape[1:])
        tensors["weight"] = (grouped * factor.reshape(op.groups, 1, -1, 1, 1)).reshape(weight.shape)
    elif many:
        tensors["weight"] = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    else:
        tensors["weight"] = weight * factor
    if "bias" in tensors:
        tensors["bias"] = tensors["bias"] * factor


def scale_inputs(op: Op, tensors: Tensors, factor: Any) -> None:
    """Weights for an input that comes without `factor`: a number, or one per input channel."""
    weight = tensors["weight"]
    if getattr(factor, "ndim", 0) == 0:
        tensors["weight"] = weight * factor
    elif isinstance(op, ConvTranspose):
        tensors["weight"] = weight * factor.reshape(-1, 1, 1, 1)
    else:
        tensors["weight"] = _by_input(op, weight, factor)


def shift_inputs(op: Op, tensors: Tensors, shift: Tensor) -> None:
    """A bias for an input that comes without `shift`, one number per channel; needs `has_no_padding`."""
    moved = _by_input(op, tensors["weight"], shift).flatten(1).sum(1)
    tensors["bias"] = tensors["bias"] + moved if "bias" in tensors else moved


def shift_outputs(tensors: Tensors, shift: Tensor) -> None:
    """A bias for the output plus `shift`, one number per channel."""
    tensors["bias"] = tensors["bias"] + shift if "bias" in tensors else shift


def norm_affine(tensors: Tensors, eps: float) -> tuple[Tensor, Tensor]:
    """Batch normalisation in eval mode as (factor, shift) per channel."""
    factor = (tensors["running_var"] + eps).rsqrt()
    if "weight" in tensors:
        factor = factor * tensors["weight"]
    shift = -tensors["running_mean"] * factor
    return factor, shift + tensors["bias"] if "bias" in tensors else shift


def _by_input(op: Op, weight: Tensor, vector: Tensor) -> Tensor:
    """The weight (out, in // groups, …) times one number per input channel."""
    groups = op.groups if isinstance(op, Window) else 1
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    spread = vector.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
    return (grouped * spread).reshape(weight.shape)
