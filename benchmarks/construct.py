"""The constructor of the emitted class, its weights started, and that of its torchvision or timm twin, in turn in one
process: CPU time at one thread; `meta`: on the meta device. The class is made from the spec once before. Twins start
their weights as they do by default, GoogLeNet and Inception v3 too.

    python -m benchmarks.run construct [--quick]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

import archc
from archc.backends import torch_module
from archc.measure.bench import Setting
from benchmarks.twins import Compared, compare, print_table, twins


def main(quick: bool = False) -> None:
    print_table(rows("build", quick))
    print_table(rows("meta", quick), target=0.5)
    print(f"From the text to the class, resnet50: {from_text() * 1e3:.0f} ms, source emitted and executed.")


def rows(mode: str, quick: bool) -> Iterator[Compared]:
    """Every twin."""
    how = Setting(seconds=0.5 if quick else 1.0, least=5)
    for twin in twins(quick):
        kwargs = {name: value for name, value in twin.kwargs.items() if name != "init_weights"}
        yield from compare(replace(twin, kwargs=kwargs), ("build" if mode == "build" else "meta",), (), how)


def from_text(runs: int = 5) -> float:
    """CPU seconds from the name of a spec to its class: a module made on the meta device, less its constructor."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        with torch.device("meta"):
            made = type(torch_module.compile(archc.load("resnet50")))
        whole = time.process_time() - start
        start = time.process_time()
        with torch.device("meta"):
            made()
        found.append(whole - (time.process_time() - start))
    return statistics.median(found)


if __name__ == "__main__":
    main()
