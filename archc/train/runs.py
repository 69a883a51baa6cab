"""Runs side by side: what their recipes, results and logs say, as a table, a picture and a page."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archc.backends.page import charts_page
from archc.train.journal import read_journal
from archc.train.recipe import leaves

WEB = Path(__file__).with_name("web")
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf")
COLUMNS = ("run", "network", "accuracy", "epochs", "params", "seed", "time", "images/s")
CURVES = ("loss", "accuracy", "lr", "eval_accuracy", "ema_accuracy", "eval_loss", "ema_loss")
SAID = frozenset({"doc", "source", "seed"})
POINTS = 400
"""Of a curve on the page: longer ones are thinned out evenly."""


@dataclass(frozen=True)
class RunLine:
    """One run: where, by which recipe (`a.b` to value), what it got, its log. result is None while unfinished."""

    name: str
    recipe: dict[str, Any]
    result: dict[str, Any] | None
    log: list[dict[str, Any]]
    diverged: bool = False

    @property
    def accuracy(self) -> float | None:
        """Of the average where there is one; of an unfinished run, the last one logged."""
        for line in ([self.result] if self.result else []) + self.log[::-1]:
            for key in ("ema_accuracy", "eval_accuracy"):
                if key in line:
                    return float(line[key])
        return None

    def curve(self, key: str) -> list[tuple[float, float]]:
        """(epoch, value) of the lines that have it."""
        return [(line["epoch"], line[key]) for line in self.log if key in line]


def find_runs(directory: Path) -> list[RunLine]:
    """All runs in a directory and below, best first, those without accuracy last."""
    found = []
    for log in sorted(directory.rglob("log.jsonl")):
        result, recipe = log.parent / "result.json", log.parent / "recipe.toml"
        content = json.loads(result.read_text()) if result.exists() else None
        diverged = (log.parent / "diverged.json").exists()
        table = leaves(tomllib.loads(recipe.read_text())) if recipe.exists() else {}
        name = str(log.parent.relative_to(directory))
        found.append(
            RunLine(directory.name if name == "." else name, table, content, read_journal(log), diverged)
        )
    return sorted(found, key=lambda run: -1.0 if run.accuracy is None else run.accuracy, reverse=True)


def side_by_side(runs: list[RunLine]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows: the figures of each run, then every key in which their recipes differ."""
    keys = dict.fromkeys(key for run in runs for key in run.recipe if key not in SAID)
    differing = [key for key in keys if len({repr(run.recipe.get(key)) for run in runs}) > 1]
    columns = tuple("of epochs" if key == "epochs" else key for key in differing)
    rows = [(*_figures(run), *(_shown(run.recipe.get(key)) for key in differing)) for run in runs]
    return (*COLUMNS, *columns), rows


def html(runs: list[RunLine], title: str) -> str:
    """One page with the table and the curves, which loads nothing."""
    columns, rows = side_by_side(runs)
    shown = [
        {"name": run.name, "row": row, "curves": {key: _thinned(run.curve(key)) for key in CURVES}}
        for run, row in zip(runs, rows, strict=True)
    ]
    return charts_page(title, "Point at a curve.", WEB / "runs", {"columns": columns, "runs": shown})


def plot(runs: list[RunLine], path: Path) -> None:
    """Loss and held-out accuracy over epochs, one line a run, to a PNG, SVG or PDF. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for number, run in enumerate(runs):
        colour = COLOURS[number % len(COLOURS)]
        left.plot(*_columns(run.curve("loss")), color=colour, label=run.name)
        right.plot(*_columns(run.curve("eval_accuracy")), color=colour, marker=".")
        right.plot(*_columns(run.curve("ema_accuracy")), color=colour, linestyle="--")
    left.set(xlabel="epoch", ylabel="training loss")
    dashed = " (dashed: averaged weights)" if any(run.curve("ema_accuracy") for run in runs) else ""
    right.set(xlabel="epoch", ylabel=f"held-out accuracy{dashed}")
    losses = [value for run in runs for _, value in run.curve("loss")]
    if losses and 0 < 50 * min(losses) < max(losses):
        left.set_yscale("log")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=min(4, len(runs)), fontsize="small")
    figure.savefig(path, dpi=150)


def _figures(run: RunLine) -> tuple[str, ...]:
    accuracy = "" if run.accuracy is None else f"{run.accuracy:.2%}"
    epochs = f"{run.log[-1]['epoch']:.1f}" if run.log else ""
    if run.result is None:
        state = "(diverged)" if run.diverged else "(unfinished)"
        return run.name, state, accuracy, epochs, "", _shown(run.recipe.get("seed")), "", ""
    found = run.result
    return (
        run.name, found["network"], accuracy, epochs, f"{found['params']:,}", str(found["seed"]),
        f"{found['seconds']:.0f} s", f"{found['images_per_second']:,.0f}",
    )  # fmt: skip


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    every = -(-len(points) // POINTS)
    return points[:: every or 1]


def _columns(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
