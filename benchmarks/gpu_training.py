"""Training on a GPU: images a second and model FLOP utilisation, ours and the hand-written module in one harness.

`python -m benchmarks.gpu_training [NAME…] [--compile] [--batch N]`: bfloat16, channels_last, fused SGD, every step
recorded as a CUDA graph, the two modules by turns; median of the pairs. Utilisation counts 2·MACs forward and twice that
backward against the card's dense bfloat16 peak.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from archc.backends import torch_module
from archc.elaborate import load
from archc.measure.foreign import import_foreign
from archc.train.captured import Captured
from archc.train.clock import BACKWARD

ROUNDS, STEPS = 7, 10
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense bfloat16 FLOP/s, NVIDIA's data sheets


def torchvision(name: str) -> Callable[[], nn.Module]:
    return lambda: getattr(import_foreign("torchvision.models"), name)()


def timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: import_foreign("timm").create_model(name, **options)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "nfnet_f0": (timm("dm_nfnet_f0", drop_path_rate=0.25), 128),
    "resnet50": (torchvision("resnet50"), 256),
    "regnety_040": (timm("regnety_040"), 256),
    "convnext_tiny": (torchvision("convnext_tiny"), 256),
}
"""Spec: the twin, and the batch."""


def stepper(module: nn.Module, images: Tensor, labels: Tensor) -> Captured:
    """One recorded training step of a module."""
    module.train()
    optimizer = torch.optim.SGD(
        module.parameters(), torch.tensor(1e-3, device="cuda"), momentum=0.9, nesterov=True, fused=True
    )

    def update(images: Tensor, targets: Tensor, labels: Tensor) -> None:
        with torch.autocast("cuda", torch.bfloat16):
            loss = nn.functional.cross_entropy(module(images).float(), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    targets = nn.functional.one_hot(labels, 1000).float()
    return Captured(update, (images, targets, labels), lambda: {})


def seconds(step: Captured) -> float:
    """Of one step, by the device's own clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(STEPS):
        step.graph.replay()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3 / STEPS


def measure(name: str, batch: int, compiled: bool) -> str:
    """A row of the table."""
    twin, default_batch = NETWORKS[name]
    batch = batch or default_batch
    graph = load(name)
    shape = graph.inputs[0].shape
    images = torch.randn(batch, *shape, device="cuda").contiguous(memory_format=torch.channels_last)
    labels = torch.randint(1000, (batch,), device="cuda")
    steps = []
    for module in (torch_module.compile(graph), twin()):
        placed = module.to("cuda", memory_format=torch.channels_last)
        if compiled:
            placed.compile(dynamic=False)
        steps.append(stepper(placed, images, labels))
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for found, step in zip(times, steps, strict=True):
            found.append(seconds(step))
    ours, theirs = (statistics.median(t) for t in times)
    ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
    card = torch.cuda.get_device_name()
    peak = next((p for key, p in PEAKS.items() if key in card), 0.0)
    work = 2 * BACKWARD * batch * graph.cost.macs
    used = f"{work / ours / peak:.1%} | {work / theirs / peak:.1%}" if peak else "- | -"
    size = "×".join(map(str, shape[1:]))
    return (
        f"| {name} | {batch} × {size} | {batch / ours:,.0f} | {batch / theirs:,.0f} | {ratio:.3f} | {used} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--batch", type=int, default=0)
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}{', compiled' * options.compile}\n")
    print("| network | batch | images/s | twin's | ratio | MFU | twin's |\n|---|---|--:|--:|--:|--:|--:|")
    for name in options.names or NETWORKS:
        print(measure(name, options.batch, options.compile), flush=True)
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
