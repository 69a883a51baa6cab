"""A network without normalisation at high learning rates, with and without adaptive gradient clipping.

    python -m benchmarks.agc [CIFAR10_FOLDER] [--steps 120] [--plot docs/agc.png]

The narrow NF-ResNet (cifar_nf_resnet_16), batch 128, Nesterov momentum 0.9, an epoch of warm-up, cosine. Data: the
embedded digits at their 8×8 pixels, or CIFAR-10 from a folder. Each run's loss is that of its training batches; a run
ends where it is no number.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archc.train.journal import read_journal
from archc.train.prepare import prepare
from archc.train.ranks import Ranks
from archc.train.recipe import parse_recipe
from archc.train.session import run
from archc.train.trainer import Diverged

NETWORK, BATCH = "cifar_nf_resnet_16", 128
RATES, CLIPPINGS = (0.1, 0.8, 3.2), (0.0, 0.02)
TOP = 30.0
"""Of the picture; losses that leave it are on their way to infinity."""
LAST = 10
"""Steps whose mean loss is told as the end."""


@dataclass(frozen=True)
class Curve:
    """The loss of every step; diverged: at which step it was no number, or 0."""

    rate: float
    clipping: float
    losses: list[float]
    diverged: int


def train(rate: float, clipping: float, steps: int, folder: str) -> Curve:
    """One run from the same weights, batches and augmentation as all others."""
    data: dict[str, Any] = {"name": "cifar10", "path": folder} if folder else {"name": "digits"}
    table = {
        "data": {**data, "batch": BATCH},
        "optim": {"lr": rate, "agc": clipping},
        "schedule": {"kind": "cosine", "warmup": 1},
        "augment": {"crop": 2},
        "run": {"log_every": 1, "save_every": 1e6, "eval_every": 1e6, "layout": "contiguous"},
    }
    size = (3, 32, 32) if folder else (3, 8, 8)
    first = prepare(NETWORK, parse_recipe(table), {}, size)
    table["epochs"] = steps / (len(first.data.train) // BATCH)
    with tempfile.TemporaryDirectory() as place:
        diverged = 0
        try:
            run(first.graph, parse_recipe(table), first.data, Path(place), Ranks(0, 1, torch.device("cpu")))
        except Diverged:
            diverged = 1
        losses = [line["loss"] for line in read_journal(Path(place) / "log.jsonl") if "loss" in line]
    return Curve(rate, clipping, losses, len(losses) + 1 if diverged else 0)


def plot(curves: list[Curve], path: Path, title: str) -> None:
    """Loss by step on a logarithmic axis, dashed without clipping, a cross where it is no number."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    colours = dict(zip(RATES, ("#1f77b4", "#d62728", "#2ca02c"), strict=True))
    for curve in curves:
        label = f"lr {curve.rate:g}, " + (f"λ = {curve.clipping:g}" if curve.clipping else "no clipping")
        style = "-" if curve.clipping else "--"
        axis.plot(
            range(1, len(curve.losses) + 1), curve.losses, style, color=colours[curve.rate], label=label
        )
        if curve.diverged:
            last = min(curve.losses[-1], TOP * 0.8)
            axis.plot(len(curve.losses), last, "x", color=colours[curve.rate], markersize=10)
    axis.axhline(2.3026, color="#888", linewidth=0.8, linestyle=":")
    axis.set(yscale="log", ylim=(None, TOP), xlabel="step", ylabel="training loss", title=title)
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small", ncols=len(RATES), loc="upper center", bbox_to_anchor=(0.5, -0.16))
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", default="")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    curves = []
    print(f"| lr | λ | steps with a finite loss | mean loss of the last {LAST} |\n|---:|---:|---:|---:|")
    for rate in RATES:
        for clipping in CLIPPINGS:
            curve = train(rate, clipping, arguments.steps, arguments.folder)
            curves.append(curve)
            end = sum(curve.losses[-LAST:]) / len(curve.losses[-LAST:]) if curve.losses else float("nan")
            told = f"no number from step {curve.diverged} on" if curve.diverged else f"{end:.3g}"
            print(f"| {rate:g} | {clipping:g} | {len(curve.losses)} | {told} |", flush=True)
    if arguments.plot:
        data = "CIFAR-10" if arguments.folder else "digits, 8×8"
        plot(curves, arguments.plot, f"{NETWORK} on {data}, batch {BATCH}")


if __name__ == "__main__":
    main()
