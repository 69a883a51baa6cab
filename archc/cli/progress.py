"""The progress of a run: a live bar on a terminal, a line for each evaluation elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import click

from archc.cli.console import coloured


class Progress:
    """A context; `show` takes the lines of the log with what the clock adds."""

    def __init__(self, steps: int, *, shown: bool) -> None:
        self._steps, self._shown = steps, shown
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self._shown and coloured(sys.stderr):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn(),
                console=Console(stderr=True),
            )  # fmt: skip
            self._task = self._bar.add_task("", total=self._steps)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, line: dict[str, Any]) -> None:
        """Takes in one line of the log."""
        if not self._shown:
            return
        text = describe_line(line)
        if self._bar:
            self._bar.update(self._task, completed=line["step"], description=text)
        if "eval_accuracy" in line:
            if self._bar:
                self._bar.console.print(text, highlight=False)
            else:
                click.echo(text, err=True)


def describe_line(line: dict[str, Any]) -> str:
    """One line of the log in words."""
    parts = [f"epoch {line['epoch']:.1f}"]
    for key, form in (
        ("loss", "loss {:.3f}"), ("accuracy", "accuracy {:.1%}"), ("eval_accuracy", "held-out {:.2%}"),
        ("ema_accuracy", "average {:.2%}"), ("lr", "lr {:.3g}"), ("images_per_second", "{:,.0f} images/s"),
        ("tflops", "{:.3g} TFLOP/s"), ("memory_mb", "{:,.0f} MB"),
    ):  # fmt: skip
        if key in line:
            parts.append(form.format(line[key]))
    return " · ".join(parts)
