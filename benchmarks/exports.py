"""Exporting the library to ONNX: the record of what was tried, and the table of docs/exports.md from it.

    python -m benchmarks.exports [GLOB …] [--seconds 540] [--again]
    python -m benchmarks.exports --page

Every network with random weights and statistics, at 64×64 pixels where that is enough for it; checked as `archc export`
checks. What the record already holds for the same graph is not tried again, so a run that was cut short goes on. The largest
take some ten gigabytes of memory. The record is tests/data/exports.json.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import archc
from archc.backends import torch_module
from archc.diagnostics import ArchError
from archc.elaborate import catalog
from archc.ir import Graph
from archc.ir.fingerprint import spec_hash
from archc.measure.exports import OPSET, export
from archc.measure.weights import randomise
from benchmarks.record import Row, asked_for, options, read, with_table, write

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "data" / "exports.json"
PAGE = ROOT / "docs" / "exports.md"
SIZE = 64


def reduced(name: str) -> Graph:
    """A network of the library at 64×64 pixels, or as declared where that is smaller or 64 do not do."""
    declared = archc.load(name)
    channels, height, width = declared.inputs[0].shape
    if min(height, width) <= SIZE:
        return declared
    try:
        return archc.load(name, input=(channels, SIZE, SIZE))
    except ArchError:
        return declared


def attempt(name: str, graph: Graph) -> Row:
    """One network: what its row says."""
    row: Row = {
        "name": name, "spec": spec_hash(graph), "input": list(graph.inputs[0].shape), "nodes": len(graph.nodes),
        "params": graph.cost.params, "opset": OPSET, "torch": torch.__version__.partition("+")[0],
    }  # fmt: skip
    module = torch_module.compile(graph)
    randomise(module)
    start = time.process_time()
    try:
        made = export(graph, module, "onnx", f"{name}.onnx")
    except ArchError as error:
        return {**row, "reason": error.diagnostics[0].message}
    return {**row, "error": made.error, "seconds": round(time.process_time() - start, 1)}


def networks(patterns: Sequence[str]) -> list[tuple[str, Graph]]:
    """Those that need no choices answered: the smallest graph of every file, then the second of every file, …"""
    files: dict[str, list[tuple[str, Graph]]] = {}
    for entry in catalog("*"):
        if entry.params is not None and asked_for(entry.name, patterns):
            files.setdefault(entry.file, []).append((entry.name, reduced(entry.name)))
    ranked = [
        (rank, len(graph.nodes), name, graph)
        for found in files.values()
        for rank, (name, graph) in enumerate(sorted(found, key=lambda pair: len(pair[1].nodes)))
    ]
    return [(name, graph) for _, _, name, graph in sorted(ranked, key=lambda row: row[:3])]


def table(rows: dict[str, Row]) -> str:
    """The results, and the table of them."""
    done = [row for row in rows.values() if "error" in row]
    worst = max(row["error"] for row in done)
    lines = [
        f"{len(done)} of the {len(rows)} networks tried export and agree with their module; the largest relative difference of an"
        f" output is {worst:.0e}.",
        "",
        "| network | input | nodes | difference, or why not |",
        "|---|---|--:|---|",
    ]
    for name in sorted(e.name for e in catalog("*") if e.params is not None):
        row = rows.get(name)
        if row is None:
            lines.append(f"| {name} | | | not tried yet |")
            continue
        result = f"{row['error']:.1e}" if "error" in row else row["reason"]
        lines.append(f"| {name} | {'×'.join(map(str, row['input']))} | {row['nodes']:,} | {result} |")
    return "\n".join(lines) + "\n"


def page(text: str, rows: dict[str, Row]) -> str:
    """The page with its table put in."""
    return with_table(text, table(rows))


def main() -> None:
    arguments = options(__doc__)
    torch.set_num_threads(1)
    rows, start = read(RECORD), time.monotonic()
    for name, graph in [] if arguments.page else networks(arguments.patterns):
        known = rows.get(name)
        if known and known["spec"] == spec_hash(graph) and not arguments.again:
            continue
        if time.monotonic() - start > arguments.seconds:
            break
        rows[name] = attempt(name, graph)
        print(
            name, rows[name].get("error", rows[name].get("reason")), rows[name].get("seconds", ""), flush=True
        )
        write(RECORD, (rows[name] for name in sorted(rows)))
        gc.collect()
    PAGE.write_text(page(PAGE.read_text(), rows))


if __name__ == "__main__":
    main()
