"""Every network of published tables, counted: NAS-Bench-Macro, NAS-Bench-201 and NAS-Bench-301.

    python benchmarks/nas_tables.py DIRECTORY

DIRECTORY holds nas_bench_macro.csv.gz (xiusu/NAS-Bench-Macro, Apache-2.0) and naslib_cost_samples.csv.gz
(automl/NASLib, Apache-2.0). Parameters must agree to the unit. So must multiply-adds, in each table's convention:
NAS-Bench-Macro counts those of convolutions and linear layers; NASLib's counter adds 2 for an element of batch
norm, 1 for one of ReLU, and the window's size for one of a pool.
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

DARTS = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


def counted(graph: Graph) -> int:
    """Multiply-adds as NASLib's counter has them."""
    total = graph.cost.macs
    for node in graph.nodes:
        size = elements(node.shape)
        if node.op.name == "batch_norm":
            total += 2 * size
        elif node.op.name == "relu":
            total += size
        elif node.op.name in ("avg_pool", "max_pool"):
            kernel = node.op.arguments()["kernel"]
            total += size * kernel[0] * kernel[1]
        elif node.op.name == "global_avg_pool":
            channels, height, width = graph.nodes[node.inputs[0]].shape
            total += channels * (height + 1) * (width + 1)
    return total


def rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        yield from csv.DictReader(file)


def genotype(text: str) -> dict[str, object]:
    """NASLib's pair of cells, eight (input, operator) pairs each, as arguments of `darts_space`."""
    from archc.syntax.parse import parse_expression

    found: dict[str, object] = {}
    for name, cell in zip(("normal", "reduce"), ast.literal_eval(text), strict=True):
        nodes = [f"(({DARTS[b]}, {a}), ({DARTS[d]}, {c}))" for (a, b), (c, d) in zip(cell[::2], cell[1::2], strict=True)]
        found[name] = parse_expression(f"[{', '.join(nodes)}]")
    return found


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
    for space, spec in (("nasbench201", "nb201"), ("nasbench301", "darts_space")):
        began, found = time.process_time(), []
        for row in samples:
            if row["space"] != space or row["task"] != "cifar10":
                continue
            arguments: dict[str, object] = {"width": 32, "repeats": 2}
            if space == "nasbench201":
                arguments = {"code": list(nb201_code(row["arch"]))}
            graph = archc.load(spec, **(arguments if space == "nasbench201" else {**arguments, **genotype(row["arch"])}))
            found.append((graph.cost.params, int(row["params"]), counted(graph), int(row["flops"])))
        good &= report(space, found, began)
    return 0 if good else 1


# NASLib's operators of NAS-Bench-201, and its edges in our order
NB201 = (1, 0, 3, 2, 4)


def nb201_code(text: str) -> Iterator[int]:
    return (NB201[o] for o in ast.literal_eval(text))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
