"""How the rest reads: what hands on, joins, pools and reshapes values, in archc's primitives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx

from archc.measure.lift.readers import LOWEST, absorb_pad, pair, reads
from archc.measure.lift.trace import Tracer, Unsupported, Value

# ---- values passed on as they are


@reads("clone", "contiguous", "detach", "alias", "lift_fresh_copy", "to", "_to_copy", "feature_dropout")
def _same(t: Tracer, x: fx.Node, *rest: Any, **more: Any) -> Value:
    return t.value(x)


@reads("getitem")
def _item(t: Tracer, several: fx.Node, index: int) -> Value:
    found: Value = t.env[several][index]
    return found


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
    factor = t.viewed_weight(node)
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
    source, kernel, padding = t.value(x), pair(kernel), pair(padding)
    step = pair(stride) if stride not in ((), [], None) else kernel
    if pair(dilation) != (1, 1):
        raise Unsupported("it is dilated")
    how: dict[str, Any] = {"kernel": kernel, "ceil_mode": ceil, "padding": padding}
    absorbed = absorb_pad(t, source, kernel, step, (1, 1), LOWEST) if padding == (0, 0) else None
    if absorbed:
        source, how["padding"] = absorbed, "same"
    return t.apply("max_pool", source, **how, stride=step if step != kernel else None)


@reads("avg_pool2d")
def _avg_pool(
    t: Tracer, x: fx.Node, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False, include: bool = True,
    divisor: int | None = None,
) -> Value:  # fmt: skip
    kernel = pair(kernel)
    step = pair(stride) if stride not in ((), [], None) else kernel
    if divisor is not None:
        raise Unsupported("it divides by a number of its own")
    return t.apply(
        "avg_pool", t.value(x), kernel=kernel, padding=pair(padding), ceil_mode=ceil, count_include_pad=include,
        stride=step if step != kernel else None,
    )  # fmt: skip


@reads("adaptive_avg_pool2d", "adaptive_max_pool2d")
def _adaptive(t: Tracer, x: fx.Node, size: Any) -> Value:
    source, size = t.value(x), pair(size)
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
    if step != 1:
        if dim not in (2, 3) or source.last or (first, last) != (0, size):
            raise Unsupported("it takes every n-th")
        return t.apply("max_pool", source, kernel=1, stride=(step, 1) if dim == 2 else (1, step))
    if source.last:
        raise Unsupported("it takes some of the last axis")
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
