"""Every network of published tables, counted: NAS-Bench-Macro, NAS-Bench-201 and NAS-Bench-301.

    python benchmarks/nas_tables.py DIRECTORY

DIRECTORY holds nas_bench_macro.csv.gz (xiusu/NAS-Bench-Macro, Apache-2.0) and naslib_cost_samples.csv.gz
(automl/NASLib, Apache-2.0). Parameters must agree to the unit. So must multiply-adds, in each table's convention:
NAS-Bench-Macro counts those of convolutions and linear layers; NASLib's counter adds for an element of
batch norm 2 (1 where it learns nothing), of ReLU 1, of a pool the size of its window, which is one larger each way
than the map for a global pool.
"""

from __future__ import annotations

import ast
import csv
import gzip
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import archc
from archc.ir import Graph
from archc.ops.base import elements


def counted(graph: Graph) -> int:
    """Multiply-adds as NASLib's counter has them."""
    total = graph.cost.macs
    for node in graph.nodes:
        size = elements(node.shape)
        if node.op.name == "batch_norm":
            total += size * (2 if node.op.arguments()["affine"] else 1)
        elif node.op.name == "relu":
            total += size
        elif node.op.name in ("avg_pool", "max_pool"):
            kernel = node.op.arguments()["kernel"]
            if kernel != (1, 1):  # ours, for every second pixel
                total += size * kernel[0] * kernel[1]
        elif node.op.name == "global_avg_pool":
            channels, height, width = graph.nodes[node.inputs[0]].shape
            total += channels * (height + 1) * (width + 1)
    return total


def rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        yield from csv.DictReader(file)


def nb301_arguments(text: str) -> dict[str, object]:
    """NASLib's pair of cells: eight (state, operator) pairs each, two for a node."""
    found: dict[str, object] = {}
    for name, cell in zip(("normal", "reduce"), ast.literal_eval(text), strict=True):
        pairs = [(operator, state) for state, operator in cell]
        found[name] = [pairs[i : i + 2] for i in range(0, 8, 2)]
    return found


def nb201_arguments(text: str) -> dict[str, object]:
    """NASLib's operators and edges, in the order of the specs."""
    operators = [NB201_OPERATORS[o] for o in ast.literal_eval(text)]
    return {"code": [operators[e] for e in NB201_EDGES]}


NB201_OPERATORS = (1, 0, 3, 2, 4)
NB201_EDGES = (0, 1, 3, 2, 4, 5)


def report(name: str, found: list[tuple[int, int, int, int]], began: float) -> bool:
    params = sum(a == b for a, b, _, _ in found)
    macs = sum(a == b for _, _, a, b in found)
    seconds = time.process_time() - began
    print(f"{name:16} {len(found):5} networks: params {params}, macs {macs} exact; {seconds:.1f} s")
    for _, _, ours, theirs in [f for f in found if f[2] != f[3]][:3]:
        print(f"  macs {ours:,}, the table has {theirs:,}")
    return params == macs == len(found)


def main(directory: Path) -> int:
    good = True
    began, found = time.process_time(), []
    for row in rows(directory / "nas_bench_macro.csv.gz"):
        cost = archc.load("macro", code=[int(c) for c in row["code"]]).cost
        found.append((cost.params, int(row["params"]), cost.macs, int(row["flops"])))
    good &= report("NAS-Bench-Macro", found, began)
    samples = list(rows(directory / "naslib_cost_samples.csv.gz"))
    for space, spec, arguments in (
        ("nasbench201", "nb201", nb201_arguments),
        ("nasbench301", "nb301", nb301_arguments),
    ):
        began, found = time.process_time(), []
        for row in samples:
            if row["space"] == space and row["task"] == "cifar10":
                graph = archc.load(spec, **arguments(row["arch"]))
                found.append((graph.cost.params, int(row["params"]), counted(graph), int(row["flops"])))
        good &= report(space, found, began)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
