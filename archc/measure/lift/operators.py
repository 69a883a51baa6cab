"""How each ATen operator reads: what it does to the values of a trace, in archc's primitives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, fx

from archc.measure.lift.trace import Tracer, Unsupported, Value

Reader = Callable[..., Any]
OPERATORS: dict[str, Reader] = {}
"""Readers by the operator's name, that of its in-place form being the same."""


LOWEST = -3e38
"""Stands for minus infinity, which a spec cannot write."""


def reads(*names: str) -> Callable[[Reader], Reader]:
    """Enter a reader under the names of operators."""

    def enter(reader: Reader) -> Reader:
        OPERATORS.update((name, reader) for name in names)
        return reader

    return enter


# ---- values passed on as they are


@reads("clone", "contiguous", "detach", "alias", "lift_fresh_copy", "to", "_to_copy", "feature_dropout")
def _same(t: Tracer, x: fx.Node, *rest: Any, **more: Any) -> Value:
    return t.value(x)


@reads("getitem")
def _item(t: Tracer, several: fx.Node, index: int) -> Value:
    found: Value = t.env[several][index]
    return found


# ---- layers


def _pair(value: Any) -> tuple[int, ...]:
    return (
        (value, value)
        if isinstance(value, int)
        else (value[0], value[0])
        if len(value) == 1
        else tuple(value)
    )


def _half(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))


def _same_pads(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def _absorb_pad(
    t: Tracer, x: Value, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], value: float
) -> Value | None:
    """The input of a pad before a window, where the two together are TensorFlow's SAME."""
    found = t.replace(x)
    if found is None or found[0].op.name != "pad":
        return None
    step, source = found
    pad = step.op.arguments()
    rows, columns = (_same_pads(source.shape[1 + i], kernel[i], stride[i], dilation[i]) for i in (0, 1))
    if (pad["top"], pad["bottom"], pad["left"], pad["right"]) != (*rows, *columns):
        return None
    if pad["mode"] != "constant" or pad["value"] != value:
        return None
    del t.steps[x.id]
    return source


@reads("conv2d")
def _conv(
    t: Tracer, x: fx.Node, weight: fx.Node, bias: fx.Node | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Value:  # fmt: skip
    source = t.value(x)
    size = weight.meta["val"].shape
    kernel, stride, dilation = tuple(size[2:]), _pair(stride), _pair(dilation)
    how: dict[str, Any] = {
        "channels": size[0], "kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups,
        "bias": bias is not None,
    }  # fmt: skip
    if isinstance(padding, str):
        padding = _half(kernel, dilation) if padding == "same" and all(k % 2 for k in kernel) else padding
    if padding == "same":
        how["padding"] = "same"
    else:
        padding = (0, 0) if padding == "valid" else _pair(padding)
        absorbed = _absorb_pad(t, source, kernel, stride, dilation, 0.0) if padding == (0, 0) else None
        if absorbed:
            source, how["padding"] = absorbed, "same"
        elif padding != _half(kernel, dilation):
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
    if _pair(dilation) != (1, 1):
        raise Unsupported("it is dilated")
    kernel = t.weight(weight)
    t.weight(bias)
    assert kernel is not None
    return t.apply(
        "conv_transpose", t.value(x), channels=kernel.shape[1] * groups, kernel=tuple(kernel.shape[2:]),
        stride=_pair(stride), padding=_pair(padding), output_padding=_pair(output_padding), groups=groups,
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
    return t.apply(
        str(t.node.target).removeprefix("aten.").partition(".")[0].rstrip("_"), t.value(x), alpha=alpha
    )


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


# ---- joining


@reads("add")
def _add(t: Tracer, a: Any, b: Any, *, alpha: float = 1) -> Value:
    if 0 in (a, b):  # sum() begins with it
        return t.value(b if a == 0 else a)
    left, right = t.value(a), t.value(b)
    if alpha != 1 or left.last != right.last:
        raise Unsupported("it weighs its terms")
    return t.apply("add", left, right, last=left.last)


@reads("mul")
def _mul(t: Tracer, a: Any, b: Any) -> Value:
    if isinstance(a, int | float) or t.is_weight(a):
        a, b = b, a
    source = t.value(a)
    if isinstance(b, int | float):
        return t.apply("scale", source, last=source.last, factor=float(b)) if b != 1 else source
    if t.is_weight(b):
        return _times_weight(t, source, b)
    gate = t.value(b)
    if len(gate.shape) == 1 and len(source.shape) == 3:
        raise Unsupported("it spreads a vector over the last dimension")
    return t.apply("mul", source, gate, last=source.last)


def _times_weight(t: Tracer, source: Value, node: fx.Node) -> Value:
    while node.name not in t.weights:  # seen through views of a parameter
        if not str(node.target).startswith(("aten.view", "aten.reshape", "aten.unsqueeze")):
            raise Unsupported("its factor is computed from weights")
        node = node.args[0]  # type: ignore[assignment]  # a view's first argument is a node
    factor = t.weight(node)
    assert factor is not None
    if factor.numel() == 1:
        return t.apply("gain", source, last=source.last, init=_start(factor))
    if factor.numel() != source.shape[0]:
        raise Unsupported(f"it multiplies by weights of shape {tuple(factor.shape)}")
    return t.apply("channel_scale", source, last=source.last, init=_start(factor))


def _start(factor: Tensor) -> float:
    return float(f"{float(factor.detach().flatten()[0]):.6g}")


@reads("div")
def _div(t: Tracer, a: fx.Node, b: float) -> Value:
    source = t.value(a)
    return t.apply("scale", source, last=source.last, factor=1 / b)


@reads("cat")
def _cat(t: Tracer, tensors: Sequence[fx.Node], dim: int = 0) -> Value:
    values = [t.value(node) for node in tensors]
    rank = len(values[0].shape) + 1
    if dim % rank != (rank - 1 if values[0].last else 1):
        raise Unsupported(f"it joins along dimension {dim}")
    return t.apply("concat", *values, last=values[0].last)


# ---- pools


@reads("max_pool2d")
def _max_pool(
    t: Tracer,
    x: fx.Node,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil: bool = False,
) -> Value:
    source, kernel, padding = t.value(x), _pair(kernel), _pair(padding)
    step = _pair(stride) if stride not in ((), [], None) else kernel
    if _pair(dilation) != (1, 1):
        raise Unsupported("it is dilated")
    how: dict[str, Any] = {"kernel": kernel, "ceil_mode": ceil, "padding": padding}
    absorbed = _absorb_pad(t, source, kernel, step, (1, 1), LOWEST) if padding == (0, 0) else None
    if absorbed:
        source, how["padding"] = absorbed, "same"
    return t.apply("max_pool", source, **how, stride=step if step != kernel else None)


@reads("avg_pool2d")
def _avg_pool(
    t: Tracer, x: fx.Node, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False, include: bool = True,
    divisor: int | None = None,
) -> Value:  # fmt: skip
    kernel = _pair(kernel)
    step = _pair(stride) if stride not in ((), [], None) else kernel
    if divisor is not None:
        raise Unsupported("it divides by a number of its own")
    return t.apply(
        "avg_pool", t.value(x), kernel=kernel, padding=_pair(padding), ceil_mode=ceil, count_include_pad=include,
        stride=step if step != kernel else None,
    )  # fmt: skip


@reads("adaptive_avg_pool2d", "adaptive_max_pool2d")
def _adaptive(t: Tracer, x: fx.Node, size: Any) -> Value:
    source, size = t.value(x), _pair(size)
    kind = "avg" if "avg" in str(t.node.target) else "max"
    if size == (1, 1):
        return t.apply(f"global_{kind}_pool", source, keepdim=True)
    if size == source.shape[1:]:
        return source
    return t.apply(f"adaptive_{kind}_pool", source, size=size)


@reads("mean", "amax")
def _mean(t: Tracer, x: fx.Node, dims: Sequence[int], keepdim: bool = False, dtype: Any = None) -> Value:
    source = t.value(x)
    wanted = {1, 2} if source.last else {2, 3}
    if len(source.shape) != 3 or {d % 4 for d in dims} != wanted or (keepdim and source.last):
        raise Unsupported(f"it is over the dimensions {list(dims)}")
    kind = "avg" if "mean" in str(t.node.target) else "max"
    return t.apply(f"global_{kind}_pool", source, keepdim=keepdim)


# ---- shapes


@reads("flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze")
def _view(t: Tracer, x: fx.Node, *rest: Any, **more: Any) -> Value:
    """Views are read by the shape they end in."""
    source = t.value(x)
    shape = tuple(int(n) for n in t.node.meta["val"].shape)
    batch = t.node.meta["val"].shape[0]
    if source.last or len(shape) < 2 or batch != 2:
        raise Unsupported("it mixes examples, or a map with its channels last")
    if shape[1:] == source.shape:
        return source
    if len(shape) == 2:
        pool = t.replace(source)
        if (
            pool
            and pool[0].op.name in ("global_avg_pool", "global_max_pool")
            and pool[0].op.arguments()["keepdim"]
        ):
            del t.steps[source.id]
            return t.apply(pool[0].op.name, pool[1])
        return t.apply("flatten", source)
    return t.apply("reshape", source, size=shape[1:])


@reads("transpose")
def _transpose(t: Tracer, x: fx.Node, first: int, second: int) -> Value:
    """(N, groups, C/groups, H, W) with the middle two changed places is half a channel shuffle."""
    source = t.value(x)
    found = t.replace(source)
    if (
        {first % 5, second % 5} != {1, 2}
        or len(source.shape) != 4
        or found is None
        or found[0].op.name != "reshape"
    ):
        raise Unsupported("it changes the order of dimensions")
    groups = source.shape[0]
    del t.steps[source.id]
    return t.apply("channel_shuffle", found[1], groups=groups)


@reads("permute")
def _permute(t: Tracer, x: fx.Node, order: Sequence[int]) -> Value:
    source = t.value(x)
    if list(order) == [0, 2, 3, 1] and len(source.shape) == 3 and not source.last:
        return Value(source.id, source.shape, last=True)
    if list(order) == [0, 3, 1, 2] and source.last:
        return Value(source.id, source.shape)
    raise Unsupported(f"it changes the order of dimensions to {list(order)}")


@reads("chunk", "split", "split_with_sizes")
def _split(t: Tracer, x: fx.Node, *rest: Any, **more: Any) -> list[Value]:
    source = t.value(x)
    sizes = [int(v.shape[1]) for v in t.node.meta["val"]]
    if source.last or sum(sizes) != source.shape[0]:
        raise Unsupported("it does not split the channels")
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [t.apply("slice_channels", source, start=e - s, stop=e) for s, e in zip(sizes, ends, strict=True)]


@reads("slice")
def _slice(
    t: Tracer, x: fx.Node, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Value:
    source = t.value(x)
    size = (2, *source.shape)[dim]
    first, last = start or 0, size if stop is None else min(stop, size)
    first, last = (n + size if n < 0 else n for n in (first, last))
    if step != 1 or source.last:
        raise Unsupported("it takes every n-th")
    if (first, last) == (0, size):
        return source
    if dim == 1:
        return t.apply("slice_channels", source, start=first, stop=last)
    if dim not in (2, 3):
        raise Unsupported("it takes some of the examples")
    height, width = source.shape[1:]
    box: dict[str, Any] = (
        {"height": last - first, "width": width, "top": first}
        if dim == 2
        else {"height": height, "width": last - first, "left": first}
    )
    return t.apply("crop", source, **box)


@reads("constant_pad_nd", "pad")
def _pad(t: Tracer, x: fx.Node, pads: Sequence[int], *rest: Any, **more: Any) -> Value:
    given = [*rest, *more.values()]
    mode = next((v for v in given if isinstance(v, str)), "constant")
    value = max(next((float(v) for v in given if isinstance(v, int | float)), 0.0), LOWEST)
    left, right, top, bottom = (*pads, 0, 0)[:4]
    if len(pads) > 4 or mode not in ("constant", "reflect", "replicate"):
        raise Unsupported(f"it pads by {list(pads)}, mode {mode}")
    source = t.value(x)
    if min(pads) < 0:  # a negative pad cuts off
        cut = [max(-n, 0) for n in (top, bottom, left, right)]
        height, width = source.shape[1] - cut[0] - cut[1], source.shape[2] - cut[2] - cut[3]
        source = t.apply("crop", source, height=height, width=width, top=cut[0], left=cut[2])
        left, right, top, bottom = (max(n, 0) for n in (left, right, top, bottom))
    if not any((left, right, top, bottom)):
        return source
    return t.apply("pad", source, top=top, bottom=bottom, left=left, right=right, mode=mode, value=value)


@reads("upsample_nearest2d", "upsample_bilinear2d")
def _upsample(t: Tracer, x: fx.Node, size: Any, *rest: Any) -> Value:
    source = t.value(x)
    height, width = (int(n) for n in t.node.meta["val"].shape[2:])
    bilinear = "bilinear" in str(t.node.target)
    how: dict[str, Any] = {"mode": "bilinear", "align_corners": bool(rest[0])} if bilinear else {}
    factor = height // source.shape[1]
    exact = (height, width) == (factor * source.shape[1], factor * source.shape[2])
    how |= {"factor": factor} if exact else {"size": (height, width)}
    return t.apply("upsample", source, **how)


@reads("pixel_shuffle")
def _pixel_shuffle(t: Tracer, x: fx.Node, factor: int) -> Value:
    return t.apply("pixel_shuffle", t.value(x), factor=factor)
