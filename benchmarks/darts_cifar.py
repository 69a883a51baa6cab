"""DARTS on CIFAR-10: a search, then the cell it found and random cells of the same space trained alike.

    python -m benchmarks.darts_cifar --data DIRECTORY --budget 270 [--seed 0] [-o DIRECTORY]

DIRECTORY holds CIFAR-10 as parquet (or the original batches). The budget is wall time in seconds for everything after
the data is read: a share of it goes to the search, which sees nothing but the training examples, half for the weights
and half for the choices. The rest trains the found cell and five random cells from scratch, by one recipe for the same
number of epochs, and tests each on the test split. The epochs are as many as the found cell's speed allows.
Prints a Markdown table, and what was found as a spec; -o keeps that, the history and the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from archc.elaborate.choosers import Stream
from archc.ir import Graph
from archc.search.oneshot.budget import Budget
from archc.search.oneshot.course import Course
from archc.search.oneshot.darts import Darts, search
from archc.search.oneshot.feed import Feed
from archc.search.oneshot.network import OneShot
from archc.spaces.frozen import frozen
from archc.spaces.points import graph_of, random_point
from archc.spaces.space import Request, Space
from archc.spaces.supernet import supernet
from archc.train.datasets import Dataset
from archc.train.loading import load_dataset
from archc.train.prepare import data_changes
from archc.train.ranks import Ranks, ranks
from archc.train.recipe import Recipe, load_recipe, parse_recipe
from archc.train.session import run

SHORTEST = 0.2
"""Epochs of the shortest training that is timed; what it takes more than its share of a longer one is its start."""
LONGER = 0.05
"""What a longer one must take more, as a share of the time to be filled."""


@dataclass(frozen=True)
class Trained:
    """A cell: what it is, its size, and how well its network did on the test split."""

    name: str
    params: int
    macs: int
    accuracy: float
    seconds: float


def cifar(place: str, examples: int) -> Dataset:
    """The data; the first `examples` of the training split and a quarter as many of the test split, 0: all."""
    recipe = load_recipe("quickstart", data_changes(place))
    data = load_dataset(recipe.data, (3, 32, 32))
    if not examples:
        return data
    few = [
        split.take(torch.arange(min(n, len(split))))
        for split, n in ((data.train, examples), (data.test, examples // 4))
    ]
    return replace(data, train=few[0], test=few[1])


def search_recipe(options: argparse.Namespace, device: torch.device) -> Recipe:
    """The paper's recipe for the weights, its rate scaled to the batch."""
    return parse_recipe({
        "seed": options.seed,
        "data": {"batch": options.search_batch},
        "optim": {"lr": 0.025, "lr_batch": 64, "momentum": 0.9, "nesterov": False, "weight_decay": 3e-4, "clip_norm": 5.0},
        "schedule": {"kind": "cosine", "final": 0.04},
        "augment": {"flip": "random", "crop": 4},
        "run": {"precision": "bf16" if device.type == "cuda" else "fp32", "layout": options.layout},
    })  # fmt: skip


def training_recipe(options: argparse.Namespace, device: torch.device, epochs: float) -> Recipe:
    """One recipe for every cell."""
    return parse_recipe({
        "seed": options.seed,
        "epochs": epochs,
        "data": {"batch": options.batch, "eval_batch": 1000},
        "optim": {"lr": 0.05, "lr_batch": 128, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "clip_norm": 5.0},
        "schedule": {"kind": "cosine", "warmup": min(1.0, epochs / 10)},
        "augment": {"flip": "random", "crop": 4},
        "run": {"precision": "bf16" if device.type == "cuda" else "fp32", "eval_every": 1e6, "save_every": 1e6, "layout": options.layout},
    })  # fmt: skip


def train(name: str, graph: Graph, recipe: Recipe, data: Dataset, found: Ranks) -> Trained:
    """Trains a network from scratch in a directory of its own, which is thrown away."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        result = run(graph, recipe, data, Path(directory), found)
    seconds = time.perf_counter() - begun
    return Trained(name, graph.cost.params, graph.cost.macs, result["eval_accuracy"], seconds)


def epochs_within(
    seconds: float, graph: Graph, options: argparse.Namespace, data: Dataset, found: Ranks
) -> int:
    """How many epochs of a network fit into a time, by trainings three times as long until they differ enough."""

    def timed(epochs: float) -> float:
        return train("", graph, training_recipe(options, found.device, epochs), data, found).seconds

    length = SHORTEST
    timed(length)  # what the first training of a process starts, the others find
    short = timed(length)
    while True:
        length *= 3
        more = timed(length) - short
        if more > LONGER * seconds or length > 10:
            break
    epoch = max(1e-3, more / (length - SHORTEST))
    start = max(0.0, short - SHORTEST * epoch)
    say(f"an epoch of the found cell takes {epoch:.2f} s, a start {start:.1f} s")
    return max(1, int((seconds - start) / epoch))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--space", default="darts", help="with parameters width and repeats [darts]")
    parser.add_argument("--budget", type=float, default=270, help="seconds in all [270]")
    parser.add_argument("--search", type=float, default=0.42, help="share of it for the search [0.42]")
    parser.add_argument("--order", type=int, choices=(1, 2), default=1)
    parser.add_argument("--lr", type=float, default=3e-3, help="Adam's for the choices [3e-3]")
    parser.add_argument(
        "--warmup", type=float, default=0.2, help="share of the search for weights only [0.2]"
    )
    parser.add_argument("--search-width", type=int, default=16)
    parser.add_argument("--search-repeats", type=int, default=1, help="normal cells in a row [1: 5 cells]")
    parser.add_argument("--search-batch", type=int, default=256)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=2, help="normal cells in a row [2: 8 cells]")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--random", type=int, default=5, help="random cells [5]")
    parser.add_argument("--epochs", type=int, default=0, help="of every training [what the budget allows]")
    parser.add_argument("--examples", type=int, default=0, help="training examples used [all]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layout", choices=("auto", "contiguous", "channels_last"), default="auto")
    parser.add_argument("--device", default="")
    parser.add_argument("-o", dest="directory", type=Path)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """The whole experiment; the figures are returned too."""
    options = options_of(arguments)
    with ranks(options.device) as found:
        return experiment(options, found)


def experiment(options: argparse.Namespace, found: Ranks) -> dict[str, Any]:
    device = found.device
    begun = time.perf_counter()
    data = cifar(options.data, options.examples)
    say(f"data read in {time.perf_counter() - begun:.1f} s; on {device}")
    begun = time.perf_counter()
    searched = Space(
        Request(
            options.space, arguments=(("width", options.search_width), ("repeats", options.search_repeats))
        )
    )
    torch.manual_seed(options.seed)
    net = OneShot(supernet(searched))
    recipe = search_recipe(options, device)
    made = time.perf_counter() - begun
    settings = Darts(order=options.order, lr=options.lr, warmup=options.warmup)
    budget = Budget(seconds=max(1.0, options.search * options.budget - made))
    result = search(net, Feed(data, recipe, device), recipe, settings, Course(budget, device, watch=tell))
    say(f"searched {result.seconds:.1f} s: {result.steps} steps, after {made:.1f} s to make the supernet")
    del net
    space = Space(Request(options.space, arguments=(("width", options.width), ("repeats", options.repeats))))
    text = frozen(space, result.point, f"{options.space}_found", source="archc freeze")
    stream = Stream(b"random cells:%d" % options.seed)
    cells = {"found": result.point}
    cells |= {f"random {i + 1}": random_point(space, stream).point for i in range(options.random)}
    graphs = {name: graph_of(space, point) for name, point in cells.items()}
    left = options.budget - (time.perf_counter() - begun)
    epochs = options.epochs or epochs_within(0.9 * left / len(graphs), graphs["found"], options, data, found)
    training = training_recipe(options, device, epochs)
    trained = []
    for name, graph in graphs.items():
        trained.append(train(name, graph, training, data, found))
        say(f"{name}: {trained[-1].accuracy:.2%} in {trained[-1].seconds:.1f} s")
    figures = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "seconds": time.perf_counter() - begun,
        "search_seconds": result.seconds,
        "search_epochs": result.history[-1]["epoch"],
        "epochs": epochs,
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()},
        "cells": [asdict(t) for t in trained],
        "history": list(result.history),
    }
    print(table(trained, figures))
    print(f"\n```\n{text}```")
    if options.directory is not None:
        options.directory.mkdir(parents=True, exist_ok=True)
        (options.directory / f"{options.space}_found.arch").write_text(text)
        (options.directory / "figures.json").write_text(json.dumps(figures, indent=1))
    return figures


def tell(line: dict[str, Any]) -> None:
    say(
        f"search epoch {line['epoch']:.1f}: loss {line['loss']:.3f}, accuracy {line['accuracy']:.1%}, "
        f"entropy of the choices {line['entropy']:.3f}, {line['seconds']:.0f} s"
    )


def table(trained: list[Trained], figures: dict[str, Any]) -> str:
    """The cells, and the found one beside the mean of the random ones."""
    lines = [
        f"{figures['device']}, {figures['seconds']:.0f} s in all: {figures['search_seconds']:.0f} s of search "
        f"({figures['search_epochs']:.1f} epochs of half of the training examples), then {figures['epochs']} epochs a cell.",
        "",
        "| cell | params | MACs | test accuracy | seconds |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {t.name} | {t.params:,} | {t.macs / 1e6:.1f} M | {t.accuracy:.2%} | {t.seconds:.0f} |"
        for t in trained
    ]
    others = [t.accuracy for t in trained[1:]]
    if others:
        spread = f" ± {statistics.stdev(others):.2%}" if len(others) > 1 else ""
        lines.append(f"| random, mean of {len(others)} | | | {statistics.mean(others):.2%}{spread} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
