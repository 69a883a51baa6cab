"""Forward and training step of the emitted module and of its torchvision or timm twin, in turn in one process:
float32, one thread, CPU time, 128×128 pixels (or the twin's own size). Bold: above 1.00 in the median and in three
quarters of the pairs.

    python -m benchmarks.run eager [--quick]
"""

from __future__ import annotations

from collections.abc import Iterator

from archc.measure.bench import Setting
from benchmarks.twins import SIZE, Compared, compare, graph_of, print_table, twins

LIMIT = 60e9  # multiply-adds of a forward pass of a batch: beyond it a row takes minutes


def main(quick: bool = False) -> None:
    print_table(rows(quick))


def rows(quick: bool) -> Iterator[Compared]:
    """Batches of 1 and 16; what a batch of 16 costs too much is left out."""
    how = Setting(seconds=1.0 if quick else 4.0, least=5 if quick else 9)
    size = (3, 96, 96) if quick else SIZE
    for twin in twins(quick):
        macs = graph_of(twin, size).cost.macs
        yield from compare(twin, ("forward",), [b for b in (1, 16) if b * macs <= LIMIT], how, size)
        yield from compare(twin, ("train",), [b for b in (1, 16) if 3 * b * macs <= LIMIT], how, size)
