"""Predicted memory and time beside measured ones, as the tables of docs/numbers.md:  python -m benchmarks.numbers"""

from __future__ import annotations

import math
import os

import torch

import archc
from archc.analyses.memory import inference_memory, training_memory
from archc.analyses.roofline import device, roofline
from archc.measure.latency import measure_latency
from archc.measure.memory import measure_graph

MEMORY = (
    "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "densenet121", "nfnet_f0", "convnext_tiny",
    "efficientnet_b0", "regnety_004", "squeezenet1_1", "shufflenet_v2_x1_0", "googlenet", "unet", "nf_regnet_b1",
)  # fmt: skip
LATENCY = (
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "efficientnet_b0",
    "regnety_004",
    "convnext_tiny",
    "nfnet_f0",
)


def main() -> None:
    torch.set_num_threads(1)
    print("| network | saved for backward, measured | predicted | alive at once, measured | predicted |")
    print("|---|---:|---:|---:|---:|")
    for name in MEMORY:
        graph = archc.load(name, input=(3, 128, 128))
        found = measure_graph(graph, 2)
        saved, peak = training_memory(graph, 2).saved, inference_memory(graph, 2).peak
        print(
            f"| {name} | {found.saved:,} | {saved / found.saved - 1:+.2%} | {found.inference:,} |"
            f" {peak / found.inference - 1:+.2%} |",
            flush=True,
        )
    print()
    print("| network | bound, ms | measured, ms | error | per op, typically |")
    print("|---|---:|---:|---:|---:|")
    for name in LATENCY:
        graph = archc.load(name)
        times = roofline(graph, device("cpu"))
        latency = measure_latency(graph, runs=5)
        bound = sum(t.seconds for t in times)
        logs = [
            abs(math.log(t.seconds / latency.nodes[t.node.id])) for t in times if latency.nodes.get(t.node.id)
        ]
        print(
            f"| {name} | {bound * 1e3:.1f} | {latency.seconds * 1e3:.1f} | {bound / latency.seconds - 1:+.0%} |"
            f" {math.exp(sum(logs) / len(logs)):.2f}× |",
            flush=True,
        )
    print(f"\ntorch {torch.__version__}, 1 thread, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
