"""Library networks and their twins as subjects of `archc bench`, and tables of how they compare."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import archc
from archc.ir import Graph
from archc.measure.bench import Mode, Row, Setting, Subject, bench, ours
from tests.parity.compare import make_peer
from tests.parity.twin import Twin
from tests.parity.twins import all_twins

SIZE = (3, 128, 128)  # where a twin names none of its own
REDUCED = (3, 64, 64)  # what the twins of the tests run at

QUICK = (
    "resnet50", "resnext50_32x4d", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "regnety_004",
    "densenet121", "shufflenet_v2_x1_0", "squeezenet1_1", "convnext_tiny", "googlenet", "seresnet50", "nf_regnet_b1",
    "nfnet_f0",
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A comparison of a network with its twin."""

    name: str
    row: Row


def twins(quick: bool) -> list[Twin]:
    """All twins, or the representative ones."""
    return [twin for twin in all_twins() if not quick or twin.spec in QUICK]


def graph_of(twin: Twin, size: tuple[int, ...] = SIZE) -> Graph:
    """The library network at the size it is measured at."""
    return archc.load(twin.spec, input=size if twin.input == REDUCED else twin.input, **twin.arguments)


def pair(twin: Twin, graph: Graph) -> list[Subject]:
    """The emitted class and the twin's constructor."""
    return [ours(graph), Subject(twin.peer.rpartition(":")[2], lambda: make_peer(twin))]


def compare(
    twin: Twin, modes: Sequence[Mode], batches: Sequence[int], how: Setting, size: tuple[int, ...] = SIZE
) -> Iterator[Compared]:
    """Race a network and its twin."""
    graph = graph_of(twin, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, on its own initialisations
        for row in bench(pair(twin, graph), [n.shape for n in graph.inputs], modes, batches, how):
            yield Compared(twin.spec, row)


def loses(row: Row, target: float = 1.0) -> bool:
    """Whether the median of the ratios, and three quarters of them, lie above the target."""
    return bool(
        row.race and row.race.ratio and row.race.spread and min(row.race.ratio, row.race.spread[0]) > target
    )


def print_table(found: Iterable[Compared], target: float = 1.0) -> list[Compared]:
    """A Markdown table, a line as each comparison is done, then what it comes to; returns the comparisons."""
    print("| network | what | batch | ours, ms | twin, ms | ratio | quartiles | pairs |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    done = []
    for c in found:
        done.append(c)
        print(line(c, target), flush=True)
    print()
    for mode in dict.fromkeys(c.row.mode for c in done):
        rows = [c.row for c in done if c.row.mode == mode and c.row.race]
        ratios = [r.race.ratio for r in rows if r.race and r.race.ratio]
        lost = sum(loses(r, target) for r in rows)
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(
            f"{mode}: geometric mean {mean:.3f}; {len(rows) - lost} of {len(rows)} at most {target:g}, or not above it in"
            " three quarters of the pairs.\n"
        )
    return done


def line(c: Compared, target: float) -> str:
    """One row; bold where it loses."""
    race, batch = c.row.race, c.row.batch or ""
    if race is None or race.second is None or race.spread is None:
        return f"| {c.name} | {c.row.mode} | {batch} | {c.row.error} | | | | |"
    low, high = race.spread
    ratio = f"**{race.ratio:.3f}**" if loses(c.row, target) else f"{race.ratio:.3f}"
    first, second = race.first.median * 1e3, race.second.median * 1e3
    return (
        f"| {c.name} | {c.row.mode} | {batch} | {first:,.2f} | {second:,.2f} | {ratio} | {low:.3f} to {high:.3f} |"
        f" {len(race.first.seconds)} |"
    )
