"""How layers read: what an ATen operator with weights, or an activation, is in archc's primitives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import fx

from archc.measure.lift.readers import OPERATORS, Reader, absorb_pad, half, pair, reads
from archc.measure.lift.trace import Tracer, Unsupported, Value, packet_of


@reads("conv2d")
def _conv(
    t: Tracer, x: fx.Node, weight: fx.Node, bias: fx.Node | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Value:  # fmt: skip
    source = t.value(x)
    size = weight.meta["val"].shape
    kernel, stride, dilation = tuple(size[2:]), pair(stride), pair(dilation)
    how: dict[str, Any] = {
        "channels": size[0], "kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups,
        "bias": bias is not None,
    }  # fmt: skip
    if isinstance(padding, str):
        padding = half(kernel, dilation) if padding == "same" and all(k % 2 for k in kernel) else padding
    if padding == "same":
        how["padding"] = "same"
    else:
        padding = (0, 0) if padding == "valid" else pair(padding)
        absorbed = absorb_pad(t, source, kernel, stride, dilation, 0.0) if padding == (0, 0) else None
        if absorbed:
            source, how["padding"] = absorbed, "same"
        elif padding != half(kernel, dilation):
            how["padding"] = padding
    if weight.name not in t.weights:
        return t.apply("ws_conv", source, **how, **_standardised(t, weight, bias))
    t.weight(weight)
    t.weight(bias)
    return t.apply("conv", source, **how)


def _standardised(t: Tracer, weight: fx.Node, bias: fx.Node | None) -> dict[str, Any]:
    """The further arguments of a weight-standardised convolution, read from timm's module."""
    path, classes = t.place()
    module: Any = t.module.get_submodule(".".join(path))
    if not classes or not classes[-1].startswith("ScaledStdConv2d"):
        raise Unsupported("its weights are computed")
    for name in ("weight", "gain", "bias"):
        key = ".".join((*path, name))
        if t.used.setdefault(key, t.node.name) != t.node.name:
            raise Unsupported(f"{key} is used a second time, and archc does not share weights")
    gamma = float(module.scale) * math.sqrt(module.weight[0].numel())
    return {"gamma": round(gamma, 12), "eps": float(module.eps), "style": "timm"}


@reads("conv_transpose2d")
def _conv_transpose(
    t: Tracer, x: fx.Node, weight: fx.Node, bias: fx.Node | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    if pair(dilation) != (1, 1):
        raise Unsupported("it is dilated")
    kernel = t.weight(weight)
    t.weight(bias)
    assert kernel is not None
    return t.apply(
        "conv_transpose", t.value(x), channels=kernel.shape[1] * groups, kernel=tuple(kernel.shape[2:]),
        stride=pair(stride), padding=pair(padding), output_padding=pair(output_padding), groups=groups,
        bias=bias is not None,
    )  # fmt: skip


@reads("linear")
def _linear(t: Tracer, x: fx.Node, weight: fx.Node, bias: fx.Node | None = None) -> Value:
    source, matrix = t.value(x), t.weight(weight)
    t.weight(bias)
    assert matrix is not None
    how: dict[str, Any] = {"features": matrix.shape[0], "bias": bias is not None}
    if source.last:
        return t.apply("channel_linear", source, last=True, **how)
    if len(source.shape) != 1:
        raise Unsupported("it multiplies the last of several dimensions")
    return t.apply("linear", source, **how)


@reads("batch_norm")
def _batch_norm(
    t: Tracer, x: fx.Node, weight: fx.Node | None, bias: fx.Node | None, mean: fx.Node | None, var: fx.Node | None,
    training: bool, momentum: float, eps: float, cudnn: bool = True,
) -> Value:  # fmt: skip
    if training or mean is None or (weight is None) != (bias is None):
        raise Unsupported("it uses the statistics of the batch, or half of its affine part")
    for tensor in (weight, bias, mean, var):
        t.weight(tensor)
    return t.apply("batch_norm", t.value(x), eps=eps, momentum=momentum, affine=weight is not None)


@reads("layer_norm")
def _layer_norm(
    t: Tracer, x: fx.Node, size: Sequence[int], weight: fx.Node | None = None, bias: fx.Node | None = None,
    eps: float = 1e-5, cudnn: bool = True,
) -> Value:  # fmt: skip
    source = t.value(x)
    if len(size) != 1 or weight is None or bias is None or (len(source.shape) == 3 and not source.last):
        raise Unsupported("it is not over the channels, or has no affine part")
    t.weight(weight)
    t.weight(bias)
    return t.apply("layer_norm", source, last=source.last, eps=eps)


@reads("group_norm")
def _group_norm(
    t: Tracer, x: fx.Node, groups: int, weight: fx.Node | None = None, bias: fx.Node | None = None, eps: float = 1e-5,
    cudnn: bool = True,
) -> Value:  # fmt: skip
    if weight is None or bias is None:
        raise Unsupported("it has no affine part")
    t.weight(weight)
    t.weight(bias)
    return t.apply("group_norm", t.value(x), groups=groups, eps=eps)


@reads("linalg_vector_norm")
def _global_response_norm(
    t: Tracer, x: fx.Node, order: float = 2, dims: Sequence[int] = (), keepdim: bool = False
) -> tuple[()]:
    """The norm of every channel: the first of the operators x + bias + weight·x·norm/(mean(norm) + eps).

    The last of them is given the value of them all, those between none.
    """
    source = t.value(x)
    space, channels = ((1, 2), 3) if source.last else ((2, 3), 1)
    norm = t.node
    mean = _reader_of(norm, "mean")
    sum_ = _reader_of(mean, "add")
    ratio = _reader_of(sum_, "div")
    times = _reader_of(ratio, "mul")
    affine = _reader_of(times, "addcmul")
    last = _reader_of(affine, "add")
    if (order, tuple(d % 4 for d in dims), keepdim, len(source.shape)) != (2, space, True, 3):
        raise Unsupported("it is not that of every channel")
    same = (
        set(norm.users) == {mean, ratio} and ratio.args[:2] == (norm, sum_) and _dim(mean) % 4 == channels
        and set(times.args[:2]) == set(last.args[:2]) - {affine} | {ratio} == {x, ratio}
        and affine.args[2] is times and not any(n.kwargs for n in (sum_, ratio, times, affine, last))
    )  # fmt: skip
    if not same:
        raise Unsupported("what follows is no global response normalisation")
    for weight in affine.args[:2]:
        t.viewed_weight(weight)
    made = t.apply("grn", source, last=source.last, eps=sum_.args[1])
    t.ahead |= {mean: (), sum_: (), ratio: (), times: (), affine: (), last: made}
    return ()


def _reader_of(node: fx.Node, name: str) -> fx.Node:
    """The one operator of a name that reads a node."""
    found = [user for user in node.users if packet_of(user) == name]
    if len(found) != 1:
        raise Unsupported("what follows is no global response normalisation")
    return found[0]


def _dim(mean: fx.Node) -> int:
    dims: Any = mean.args[1]
    if len(dims) != 1 or mean.args[2:] != (True,):
        raise Unsupported("what follows is no global response normalisation")
    return int(dims[0])


# ---- elementwise


def _activation(op: str, **fixed: Any) -> Reader:
    def read(t: Tracer, x: fx.Node, *rest: Any, **more: Any) -> Value:
        if rest or more:
            raise Unsupported("an argument differs from the usual one")
        source = t.value(x)
        return t.apply(op, source, last=source.last, **fixed)

    return read


for _name, _op in {
    "relu": "relu", "relu6": "relu6", "silu": "silu", "sigmoid": "sigmoid", "tanh": "tanh", "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish", "mish": "mish", "selu": "selu", "softplus": "softplus",
}.items():  # fmt: skip
    OPERATORS[_name] = _activation(_op)


@reads("hardtanh")
def _hardtanh(t: Tracer, x: fx.Node, low: float = -1, high: float = 1) -> Value:
    if (low, high) != (0, 6):
        raise Unsupported(f"it clips to {low} … {high}")
    return t.apply("relu6", t.value(x))


@reads("gelu")
def _gelu(t: Tracer, x: fx.Node, *, approximate: str = "none") -> Value:
    source = t.value(x)
    return t.apply("gelu", source, last=source.last, approximate=approximate)


@reads("leaky_relu")
def _leaky_relu(t: Tracer, x: fx.Node, slope: float = 0.01) -> Value:
    return t.apply("leaky_relu", t.value(x), slope=slope)


@reads("elu", "celu")
def _elu(t: Tracer, x: fx.Node, alpha: float = 1.0) -> Value:
    return t.apply(packet_of(t.node).rstrip("_"), t.value(x), alpha=alpha)


@reads("softmax")
def _softmax(t: Tracer, x: fx.Node, dim: int, dtype: Any = None) -> Value:
    source = t.value(x)
    if dim % (len(source.shape) + 1) != 1 or source.last:
        raise Unsupported("it is not over the channels")
    return t.apply("softmax", source)


@reads("dropout", "feature_dropout")
def _dropout(t: Tracer, x: fx.Node, rate: float, train: bool) -> Value:
    source = t.value(x)
    return t.apply("dropout", source, last=source.last, rate=rate) if rate else source
