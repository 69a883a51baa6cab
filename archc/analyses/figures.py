"""Figures and shapes as people read them."""

from __future__ import annotations

from archc.ops.base import Shape


def short(number: int) -> str:
    """A count to four digits: 71.49 M, 12.38 G; whole below 10,000."""
    if number < 10_000:
        return str(number)
    power = next((p for p in range(1, 6) if number < 999.95 * 1000**p), 6)
    value = number / 1000**power
    return f"{value:.{4 - len(str(int(value)))}f} {'_kMGTPE'[power]}"


def shape_text(shape: Shape) -> str:
    """`256×56×56`."""
    return "×".join(map(str, shape))
