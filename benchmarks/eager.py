"""Forward and training step of the emitted module and of its torchvision or timm twin, in turn in one process: float32,
one thread, CPU time, batches of 1 and 16, SGD with momentum; at 96×96 pixels, the twin's own size where it has one, or
64×64 where 96 would cost too much. A row has up to five rounds. Each makes ours once and the twin twice anew and runs the
three in turn: how memory happens to lie changes what a network takes by a few hundredths. The ratio, ours to the mean of
the two, is the median of the rounds' medians, the quartiles are of the rounds, and ± is what three quarters of the rounds
find the twin to differ from itself by at most. A row loses, and is bold, where its ratio is above 1 by more than ± and
three quarters of its rounds are above 1; it wins likewise below 1.

    python -m benchmarks.eager [GLOB …] [--quick] [--seconds 540] [--again]
    python -m benchmarks.eager --page

All networks with twins, the representative ones (--quick: only these) first, then row by row from the cheapest on:
--seconds 7000 does for all. A row is kept in tests/data/eager.json as it is made, and not made again while the emitted
source stays as it is, so a run that was cut short goes on.
"""

from __future__ import annotations

from typing import ClassVar

from archc.backends.torch_source import emit
from archc.ir import Graph
from archc.measure.bench import Mode
from benchmarks.eager_page import body, line
from benchmarks.library import DATA, Comparison, Found, Kind, maker
from benchmarks.record import Row
from benchmarks.rounds import rounds
from benchmarks.run import heading, put
from benchmarks.twins import pair
from tests.parity.twin import Twin


class Eager(Comparison):
    """Forward and training step."""

    record = DATA / "eager.json"
    kinds: ClassVar = {
        ("forward", 1): (4e9, 11e9), ("forward", 16): (6e9, 170e9), ("train", 1): (1.6e9, 7e9), ("train", 16): (6e9, 13e9),
    }  # fmt: skip

    def code(self, graph: Graph, mode: Mode) -> str:
        return emit(graph)

    def compare(self, twin: Twin, graph: Graph, kind: Kind) -> Found:
        ours, theirs = (maker(subject.make(), graph, kind) for subject in pair(twin, graph))
        return rounds(ours, theirs, seconds=0.4, least=2, budget=8.0), {}

    def line(self, row: Row) -> str:
        return line(row)


EAGER = Eager()


def main(quick: bool = False) -> None:
    """Make the rows that are missing, and print what the record holds."""
    print(body(EAGER.run(quick).values(), EAGER.expected()))


def page(text: str, rows: dict[str, Row]) -> str:
    """docs/performance.md with the section of the record put in."""
    return put(text, "eager", f"{heading('eager', __doc__)}\n\n{body(rows.values(), EAGER.expected())}\n")


if __name__ == "__main__":
    EAGER.run_as_asked(__doc__, page)
