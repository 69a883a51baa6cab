"""The progress of a run: a live bar on a terminal; elsewhere a line for each evaluation, and now and then."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

import click

from archc.cli.console import coloured

SILENCE = 30.0
"""Seconds after which a line of the log is printed where there is no bar."""


class Bar(ABC):
    """A context with a live bar on a terminal, where it is shown; `_bar` is rich's, or None."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._shown and coloured(sys.stderr):
            self._bar = self._made()
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    @abstractmethod
    def _made(self) -> Any:
        """A bar of rich, not begun."""


class Progress(Bar):
    """Of a run; `show` takes the lines of the log with what the clock adds."""

    def __init__(self, steps: int, *, shown: bool) -> None:
        super().__init__(shown)
        self._steps = steps
        self._begun = False
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        super().__enter__()
        if self._bar:  # without a length, until the first line of the log
            self._task = self._bar.add_task("the first steps", total=None)
        return self

    def _made(self) -> Any:
        from rich import progress
        from rich.console import Console
        from rich.table import Column

        return progress.Progress(
            progress.MofNCompleteColumn(), progress.BarColumn(24), progress.TaskProgressColumn(),
            progress.TextColumn("ETA"), progress.TimeRemainingColumn(compact=True),
            progress.TextColumn("{task.description}", table_column=Column(ratio=1)),
            console=Console(stderr=True), expand=True,
        )  # fmt: skip

    def show(self, line: dict[str, Any]) -> None:
        """Takes in one line of the log."""
        if not self._shown:
            return
        text = describe_line(line)
        if self._bar and not self._begun:  # anew: the steps of a resumed run took no time
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(text, total=self._steps, completed=line["step"])
            self._begun = True
        elif self._bar and "loss" in line:
            self._bar.update(self._task, completed=line["step"], description=text)
        if self._bar and "eval_accuracy" in line:
            self._bar.console.print(text, highlight=False)
        elif not self._bar and ("eval_accuracy" in line or time.monotonic() - self._said > SILENCE):
            click.echo(text, err=True)
            self._said = time.monotonic()


def describe_line(line: dict[str, Any]) -> str:
    """One line of the log in words."""
    parts = [f"epoch {line['epoch']:.1f}"]
    if line.get("tflops", 1.0) < 0.1:
        line = {k: v for k, v in line.items() if k != "tflops"} | {"gflops": line["tflops"] * 1e3}
    for key, form in (
        ("loss", "loss {:.3f}"), ("accuracy", "accuracy {:.1%}"), ("eval_accuracy", "held-out {:.2%}"),
        ("ema_accuracy", "average {:.2%}"), ("lr", "lr {:.3g}"), ("images_per_second", "{:,.0f} images/s"),
        ("gflops", "{:.3g} GFLOP/s"), ("tflops", "{:.3g} TFLOP/s"), ("mfu", "MFU {:.1%}"), ("memory_mb", "{:,.0f} MB"),
    ):  # fmt: skip
        if key in line:
            parts.append(form.format(line[key]))
    return " · ".join(parts)
