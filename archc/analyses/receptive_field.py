"""What part of the input an element of a feature map can see (Araujo et al. 2019, distill.pub)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from archc.analyses.sections import sections
from archc.ir.graph import Graph, Node
from archc.ops.geometry import resolve_padding

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Field:
    """Pixels of the input, (height, width) each.

    size: of the window seen; infinite after a global operation. stride: from one element to the next; below 1
    after upsampling beyond the input's resolution. padding: by how much the first element's window begins
    before the input.
    """

    size: Pair
    stride: Pair
    padding: Pair


INPUT = Field((1, 1), (1, 1), (0, 0))
EVERYTHING = Field((math.inf, math.inf), (math.inf, math.inf), (0, 0))


def fields(graph: Graph) -> tuple[Field, ...]:
    """The receptive field of every node, by id: the largest over all paths from the input."""
    found: list[Field] = []
    for node in graph.nodes:
        if node.op.kind == "input":
            found.append(INPUT)
            continue
        inputs = [found[i] for i in node.inputs]
        around = Field(
            _widest([f.size for f in inputs], max),
            _widest([f.stride for f in inputs if f.stride[0] != math.inf] or [inputs[0].stride], max),
            _widest([f.padding for f in inputs], max),
        )
        found.append(_after(graph, node, around))
    return tuple(found)


def section_fields(graph: Graph) -> tuple[tuple[str, Field], ...]:
    """The receptive field at the end of every section, by its name."""
    found = fields(graph)
    return tuple((s.name, found[[n for n in s.nodes if not n.train_only][-1].id]) for s in sections(graph)
                 if any(not n.train_only for n in s.nodes))  # fmt: skip


def _after(graph: Graph, node: Node, x: Field) -> Field:
    op: Any = node.op
    shape = graph.nodes[node.inputs[0]].shape
    if len(node.shape) == 1 and len(shape) == 3:
        return EVERYTHING
    if op.name in ("global_avg_pool", "global_max_pool"):
        return EVERYTHING
    if op.name in ("instance_norm", "group_norm", "grn"):
        return Field((math.inf, math.inf), x.stride, x.padding)  # statistics of the whole map
    if op.name == "conv_transpose" or op.name == "upsample" or op.name == "pixel_shuffle":
        return _enlarged(op, shape, node.shape, x)
    if op.name in ("adaptive_avg_pool", "adaptive_max_pool", "pixel_unshuffle"):
        scale = (shape[1] / node.shape[1], shape[2] / node.shape[2])
        windows = _each(lambda d: _adaptive(shape[1 + d], node.shape[1 + d]))
        size = _each(lambda d: x.size[d] + (windows[d] - 1) * x.stride[d])
        return Field(size, _each(lambda d: x.stride[d] * scale[d]), x.padding)
    if op.name in ("crop", "center_crop"):
        top, left = op.corner(shape)
        return Field(x.size, x.stride, (x.padding[0] - top * x.stride[0], x.padding[1] - left * x.stride[1]))
    if op.name == "pad":
        return Field(
            x.size, x.stride, (x.padding[0] + op.top * x.stride[0], x.padding[1] + op.left * x.stride[1])
        )
    if not hasattr(op, "kernel"):
        return x
    stride = getattr(op, "step", None) or op.stride
    dilation = getattr(op, "dilation", (1, 1))
    span = _each(lambda d: dilation[d] * (op.kernel[d] - 1))
    pads: Pair = resolve_padding(op.padding, op.kernel, stride, dilation)[0]
    if resolve_padding(op.padding, op.kernel, stride, dilation)[1]:
        pads = _each(
            lambda d: (
                max((-(-shape[1 + d] // stride[d]) - 1) * stride[d] + span[d] + 1 - shape[1 + d], 0) // 2
            )
        )
    return Field(
        _each(lambda d: x.size[d] + span[d] * x.stride[d]),
        _each(lambda d: x.stride[d] * stride[d]),
        _each(lambda d: x.padding[d] + pads[d] * x.stride[d]),
    )


def _enlarged(op: Any, shape: tuple[int, ...], out: tuple[int, ...], x: Field) -> Field:
    scale = (out[1] / shape[1], out[2] / shape[2])
    taps: Pair = (1, 1)
    before: Pair = (0, 0)
    if op.name == "conv_transpose":
        scale = op.stride
        taps = _each(lambda d: -(-op.kernel[d] // op.stride[d]))
        before = _each(lambda d: (op.kernel[d] - 1 - op.padding[d]) // op.stride[d])
    elif getattr(op, "mode", "") == "bilinear":
        taps = (2, 2)
        if not op.align_corners:
            before = _each(lambda d: -math.floor(0.5 / scale[d] - 0.5))
    return Field(
        _each(lambda d: x.size[d] + (taps[d] - 1) * x.stride[d]),
        _each(lambda d: x.stride[d] / scale[d]),
        _each(lambda d: x.padding[d] + before[d] * x.stride[d]),
    )


def _adaptive(size: int, out: int) -> int:
    """The widest of the windows that an adaptive pool divides `size` pixels into."""
    return max(-(-(i + 1) * size // out) - i * size // out for i in range(out))


def _each(of: Any) -> Pair:
    return (of(0), of(1))


def _widest(pairs: list[Pair], pick: Any) -> Pair:
    return (pick(p[0] for p in pairs), pick(p[1] for p in pairs))
