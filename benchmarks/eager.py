"""Forward and training step of the emitted module and of its torchvision or timm twin, in turn in one process: float32,
one thread, CPU time, batches of 1 and 16, SGD with momentum; at 96×96 pixels, the twin's own size where it has one, or
64×64 where 96 would cost too much. A row has up to five rounds. Each makes ours once and the twin twice anew and runs the
three in turn: how memory happens to lie changes what a network takes by a few hundredths. The ratio, ours to the mean of
the two, is the median of the rounds' medians, the quartiles are of the rounds, and ± is what three quarters of the rounds
find the twin to differ from itself by at most. A row loses, and is bold, where its ratio is above 1 by more than ± and
three quarters of its rounds are above 1; it wins likewise below 1.

    python -m benchmarks.eager [GLOB …] [--quick] [--seconds 540] [--again]
    python -m benchmarks.eager --page

All networks with twins, the representative ones (--quick: only these) first, then from the cheapest on: --seconds 3000
does for all. A row is kept in tests/data/eager.json as it is made, and not made again while the emitted source stays as
it is, so a run that was cut short goes on.
"""

from __future__ import annotations

import copy
import gc
import hashlib
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from torch import nn

from archc.backends.torch_source import emit
from archc.ir import Graph
from archc.measure.bench import Mode, Setting, Subject, prepare, step, with_threads
from archc.measure.race import Work
from benchmarks.eager_page import body, line
from benchmarks.record import Row, asked_for, options, read, write
from benchmarks.rounds import rounds
from benchmarks.run import PAGE, heading, put, where
from benchmarks.twins import QUICK, graph_of, pair, twins
from tests.parity.twin import Twin
from tests.peers import import_timm, import_torchvision

RECORD = Path(__file__).parents[1] / "tests" / "data" / "eager.json"
SIZES = ((3, 96, 96), (3, 64, 64))
# Kinds of run, and the multiply-adds of a forward pass of the batch beyond which a row takes too long.
KINDS: dict[tuple[Mode, int], float] = {
    ("forward", 1): 4e9, ("forward", 16): 6e9, ("train", 1): 1.6e9, ("train", 16): 6e9,
}  # fmt: skip
MOST_PARAMS = 150_000_000  # above, five copies with gradients and momentum take some eight gigabytes


@dataclass
class Sides:
    """A network and its twin, each made once per size, to be copied."""

    twin: Twin
    graphs: dict[tuple[int, ...], Graph] = field(default_factory=dict)
    made: dict[tuple[int, ...], tuple[nn.Module, nn.Module]] = field(default_factory=dict)

    def graph(self, size: tuple[int, ...] = SIZES[0]) -> Graph:
        """The network at a size, or the one size it has."""
        if size not in self.graphs:
            self.graphs[size] = graph_of(self.twin, size)
        return self.graphs[size]

    def graph_for(self, mode: Mode, batch: int) -> Graph | None:
        """The network at the size this is measured at; None where it costs too much at any."""
        fitting = (g for g in map(self.graph, SIZES) if batch * g.cost.macs <= KINDS[mode, batch])
        found = next(fitting, None)
        return found if found and found.cost.params <= MOST_PARAMS else None

    def fresh(self, graph: Graph, mode: Mode, batch: int) -> list[Callable[[], Work]]:
        """What makes ours and the twin anew, ready to run."""
        size = graph.inputs[0].shape
        if size not in self.made:
            ours, theirs = (subject.make() for subject in pair(self.twin, graph))
            self.made[size] = (ours, theirs)

        def make(module: nn.Module) -> Work:
            copied = Subject(self.twin.spec, lambda: copy.deepcopy(module))
            return step(prepare(copied, [n.shape for n in graph.inputs], mode, batch, Setting()), mode)

        return [partial(make, module) for module in self.made[size]]


def row(sides: Sides, mode: Mode, batch: int, known: Row | None) -> Row:
    """What the record says of one comparison; what it says already if that still holds."""
    name = f"{sides.twin.spec} {mode} {batch}"
    about: Row = {"name": name, "network": sides.twin.spec, "mode": mode, "batch": batch}
    graph = sides.graph_for(mode, batch)
    if graph is None:
        return {**about, "left_out": True}
    source = hashlib.sha256(emit(graph).encode()).hexdigest()[:12]
    if known and known.get("source") == source:
        return known
    about |= {"pixels": graph.inputs[0].shape[-1], "source": source, "made": where()}
    try:
        found = rounds(*sides.fresh(graph, mode, batch), seconds=0.4, least=2, budget=8.0)
    except Exception as error:  # whatever a network raises; the others are still to be measured
        return {**about, "error": f"{type(error).__name__}: {error}"}
    return {**about, **{key: [float(f"{v:.5g}") for v in values] for key, values in asdict(found).items()}}


def measure(patterns: Sequence[str], quick: bool, seconds: float, again: bool) -> None:
    """Add to the record what it lacks, each row as it is made, beginning none after so many seconds."""
    start = time.monotonic()
    chosen = [Sides(twin) for twin in twins(quick) if asked_for(twin.spec, patterns)]
    chosen.sort(key=lambda sides: (sides.twin.spec not in QUICK, sides.graph().cost.macs))
    while chosen:
        sides = chosen.pop(0)  # so that the modules made for it go when the next begins
        for mode, batch in KINDS:
            if time.monotonic() - start > seconds:
                return
            rows = read(RECORD)
            known = rows.get(f"{sides.twin.spec} {mode} {batch}")
            made = row(sides, mode, batch, None if again else known)
            if made != known:
                write(RECORD, {**rows, made["name"]: made}.values())
                print(line(made), file=sys.stderr, flush=True)
            gc.collect()


def expected() -> int:
    """Rows of a whole record."""
    return len(KINDS) * len(twins(quick=False))


def main(quick: bool = False) -> None:
    """Make the rows that are missing, and print what the record holds."""
    with quiet():
        measure(["*"], quick, math.inf, again=False)
    print(body(read(RECORD).values(), expected()))


def page(text: str, rows: dict[str, Row]) -> str:
    """docs/performance.md with the section of the record put in."""
    return put(text, "eager", f"{heading('eager', __doc__)}\n\n{body(rows.values(), expected())}\n")


@contextmanager
def quiet() -> Iterator[None]:
    """One thread, no warnings of torchvision's on its own initialisations, and little to look through for garbage."""
    with with_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_timm()
        import_torchvision()
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()


if __name__ == "__main__":
    arguments = options(__doc__, quick=True)
    if not arguments.page:
        with quiet():
            measure(arguments.patterns, arguments.quick, arguments.seconds, arguments.again)
    PAGE.write_text(page(PAGE.read_text(), read(RECORD)))
