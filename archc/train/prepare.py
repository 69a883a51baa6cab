"""From what a user names — a spec, a recipe, data — to a graph and a dataset that fit each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archc.analyses.parameters import parameters
from archc.elaborate import load
from archc.ir import Graph
from archc.train.datasets import Dataset
from archc.train.faults import DataError
from archc.train.loading import load_dataset
from archc.train.recipe import Data, Recipe

NAMED = ("digits", "synthetic")

Reader = Callable[[Data, tuple[int, ...], int, float], Dataset]
"""Gives the data a recipe names, see `load_dataset`: that, or `packed.reader` for many runs."""


@dataclass(frozen=True)
class Prepared:
    """A network with as many classes as its data."""

    graph: Graph
    data: Dataset


def data_changes(text: str) -> list[str]:
    """What `--data` says, as changes of a recipe: a name, NAME:PATH, a folder or a parquet file.

    Raises DataError where there is no such file, or one of another kind.
    """
    name, colon, path = text.partition(":")
    if text in NAMED:
        return [f"data.name={text}"]
    if name == "hf":
        return ["data.name=hub", f"data.path='{path}'"]
    if colon and name in Data.model_fields["name"].annotation.__args__:  # type: ignore[union-attr]  # a Literal
        return [f"data.name={name}", f"data.path='{path}'"]
    place = Path(text)
    if not place.exists():
        raise DataError(
            f"no data {text!r}: give digits, synthetic, a folder, a parquet file, cifar10:FOLDER, or hf:OWNER/NAME"
        )
    if place.is_file() and place.suffix != ".parquet":
        raise DataError(f"the file {text} is no data: give a folder of images, or a .parquet file")
    if place.suffix == ".parquet" or (place.is_dir() and any(place.rglob("*.parquet"))):
        kind = "parquet"
    elif any(place.glob("data_batch*")):
        kind = "cifar10"
    elif (place / "train.bin").exists() or (place / "meta").exists():
        kind = "cifar100"
    else:
        kind = "folder"
    return [f"data.name={kind}", f"data.path='{text}'"]


def prepare(
    spec: str,
    recipe: Recipe,
    arguments: dict[str, Any],
    input: tuple[int, ...] | None = None,
    read: Reader = load_dataset,
) -> Prepared:
    """The graph and data of a run. An arch with a parameter `classes` is given the data's number of them.

    Raises ArchError or DataError.
    """
    known = parameters(spec)
    chosen = {k: v for k, v in recipe.arguments.items() if k in known} | arguments
    graph = load(spec, input=input, **chosen)
    if recipe.data.size and input is None:
        input = (graph.inputs[0].shape[0], recipe.data.size, recipe.data.size)
        graph = load(spec, input=input, **chosen)
    data = read(recipe.data, graph.inputs[0].shape, recipe.seed, recipe.augment.resized_crop)
    if "classes" in known and "classes" not in chosen:
        chosen["classes"] = len(data.classes)
        graph = load(spec, input=input, **chosen)
    if data.test_shape != data.shape:
        _check_sizes(graph, load(spec, input=data.test_shape, **chosen))
    outputs = graph.nodes[graph.outputs[0].node].shape
    if len(outputs) != 1:
        raise DataError(
            f"{graph.name} gives {'×'.join(map(str, outputs))}: what is trained gives a number for each class"
        )
    if outputs[0] < len(data.classes):
        raise DataError(
            f"{graph.name} gives {outputs[0]:,} numbers, but the data has {len(data.classes):,} classes"
        )
    if len(graph.inputs) != 1:
        raise DataError(f"{graph.name} has {len(graph.inputs)} inputs; images are one")
    return Prepared(graph, data)


def _check_sizes(trained: Graph, tested: Graph) -> None:
    """Raises DataError where the network at the size it is tested at has other weights."""
    if [n.op.roles() and n.cost.params for n in trained.nodes] != [
        n.op.roles() and n.cost.params for n in tested.nodes
    ]:
        raise DataError(
            f"{trained.name} has other weights at {tested.inputs[0].shape} than at {trained.inputs[0].shape}: "
            "data.test_size is for networks that end in a global pool"
        )
