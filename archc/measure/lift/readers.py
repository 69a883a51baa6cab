"""The readers of ATen operators by name, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from archc.measure.lift.trace import Tracer, Value

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


def pair(value: Any) -> tuple[int, ...]:
    return (
        (value, value)
        if isinstance(value, int)
        else (value[0], value[0])
        if len(value) == 1
        else tuple(value)
    )


def half(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))


def _same_pads(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def absorb_pad(
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
