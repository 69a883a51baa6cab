"""A grid of recipes, each cell a run of its own; what is finished is not run again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archc.ir import Graph
from archc.ir.fingerprint import spec_hash
from archc.train import storage
from archc.train.datasets import Dataset
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe, RecipeError
from archc.train.session import run
from archc.train.trainer import Beat, Diverged, Watch, unheard


@dataclass(frozen=True)
class Axis:
    """A key of the recipe and the values to try, as text."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One combination: the changes of the recipe, and the name of its directory."""

    changes: tuple[str, ...]
    name: str


def parse_axis(text: str) -> Axis:
    """`optim.lr=.001,.01,.1` as an axis. Raises RecipeError."""
    key, equals, values = text.partition("=")
    parts = tuple(part.strip() for part in values.split(","))
    if not equals or not key.strip() or not all(parts):
        raise RecipeError(f"{text!r} is not key=value,value,…, such as optim.lr=.001,.01,.1")
    if len(set(parts)) < len(parts):
        raise RecipeError(f"{text!r} has a value twice")
    return Axis(key.strip(), parts)


def cells(axes: Sequence[Axis]) -> list[Cell]:
    """All combinations, the last axis fastest. Raises RecipeError where a key is on two axes."""
    keys = [axis.key for axis in axes]
    if len(set(keys)) < len(keys):
        raise RecipeError("a key is on two axes")
    found = []
    for values in itertools.product(*(axis.values for axis in axes)):
        changes = tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))
        safe = "".join(c if c.isalnum() or c in ".=,-_" else "_" for c in ",".join(changes))
        found.append(Cell(changes, safe))
    return found


def train_cell(
    graph: Graph,
    recipe: Recipe,
    data: Dataset,
    place: Path,
    ranks: Ranks,
    warn: Callable[[str], None],
    watch: Watch = lambda line: None,
    beat: Beat = unheard,
) -> float | None:
    """The accuracy of a cell's run, begun or gone on with; None where it diverged, which is not tried twice.

    Raises what `session.run` does, but Diverged.
    """
    told = place / "diverged.json"
    identity = {"spec": spec_hash(graph), "recipe": recipe.model_dump(mode="json")}
    if told.exists() and json.loads(told.read_text())["identity"] == identity:
        return None
    try:
        found = run(graph, recipe, data, place, ranks, watch=watch, beat=beat, warn=warn)
    except Diverged as error:
        if ranks.leads:
            text = json.dumps({"message": str(error), "identity": identity}, indent=1)
            storage.write(told, text.encode())
        return None
    accuracy: float = found.get("ema_accuracy", found["eval_accuracy"])
    return accuracy


def heat_map(axes: Sequence[Axis], accuracies: dict[str, float | None], path: Path) -> None:
    """Accuracy of each cell of two axes, the first down; to a PNG, SVG or PDF. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    down, across = axes
    figure = Figure(
        figsize=(1.5 + 1.2 * len(across.values), 1.5 + 0.8 * len(down.values)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    plot = figure.subplots()
    names = iter(cells(axes))
    rows = [[accuracies.get(next(names).name) for _ in across.values] for _ in down.values]
    grid = [[float("nan") if a is None else a for a in row] for row in rows]
    known = [accuracy for row in rows for accuracy in row if accuracy is not None]
    # where black and white are equally legible on viridis
    middle = min(known) + 0.43 * (max(known) - min(known)) if known else 0
    plot.imshow(grid, cmap="viridis", aspect="auto")
    for y, row in enumerate(rows):
        for x, accuracy in enumerate(row):
            text = "diverged" if accuracy is None else f"{accuracy:.2%}"
            colour = "white" if accuracy is not None and accuracy <= middle else "black"
            plot.text(x, y, text, ha="center", va="center", color=colour, fontsize="small")
    plot.set(xlabel=across.key, ylabel=down.key)
    plot.set_xticks(range(len(across.values)), across.values)
    plot.set_yticks(range(len(down.values)), down.values)
    figure.savefig(path, dpi=150)
