"""Runs side by side: what their results and logs say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archc.train.journal import read_journal

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf")


@dataclass(frozen=True)
class RunLine:
    """One run: where, what it got, its log. result is None while it is unfinished."""

    name: str
    result: dict[str, Any] | None
    log: list[dict[str, Any]]

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
        result = log.parent / "result.json"
        content = json.loads(result.read_text()) if result.exists() else None
        name = str(log.parent.relative_to(directory))
        found.append(RunLine(directory.name if name == "." else name, content, read_journal(log)))
    return sorted(found, key=lambda run: -1.0 if run.accuracy is None else run.accuracy, reverse=True)


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
        right.plot(*_columns(run.curve("eval_accuracy")), color=colour, marker=".", label=run.name)
    left.set(xlabel="epoch", ylabel="training loss")
    right.set(xlabel="epoch", ylabel="held-out accuracy")
    left.legend(fontsize="small")
    figure.savefig(path, dpi=150)


def _columns(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
