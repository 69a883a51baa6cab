"""The progress of a run: a live bar on a terminal; elsewhere a line for each evaluation, and after each silence."""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import click

from archc.cli.console import coloured

SILENCE = 30.0
"""Seconds after which a line of the log is printed where there is no bar."""
FIRST, LONGEST = 10.0, 300.0
"""Seconds of silence after which a run first says where it is, and at most."""
REDRAW = 0.2
"""Seconds between steps that a bar shows."""


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


class Reporter:
    """A context in which something is said after each silence, every time a longer one, by a thread of its own."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._said = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Self:
        self._said = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def silence(self) -> float:
        """Seconds in which nothing was said."""
        return time.monotonic() - self._said

    def say(self, text: str) -> None:
        """A line on stderr."""
        click.echo(text, err=True)
        self._said = time.monotonic()

    def _report(self) -> None:
        wait = FIRST
        while not self._over.wait(max(0.0, wait - self.silence)):
            if self.silence >= wait:
                self.say(self._text())
                wait = min(2 * wait, LONGEST)


class Progress(Bar):
    """Of a run: `beat` takes what it is at, `show` the lines of the log with what the clock adds.

    Where there is no bar, a Reporter says where a run is that was silent, as a step may take long.
    """

    def __init__(self, *, shown: bool) -> None:
        super().__init__(shown)
        self.steps = 0
        self._pace = Pace()
        self._drawn = 0.0
        self._reporter: Reporter | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        if self._bar:  # without a length, until the first step begins
            self._task = self._bar.add_task("getting ready", total=None)
        elif self._shown:
            self._reporter = Reporter(lambda: self._pace.describe(self.steps)).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reporter:
            self._reporter.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)

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

    def beat(self, step: int, doing: str) -> None:
        """Takes in that so many steps are done, and what is done now: see trainer.Beat."""
        if not self._shown:
            return
        begins, changes = not self._pace.doing, doing != self._pace.doing
        self._pace = self._pace.at(step, doing)
        if self._bar and begins:  # anew: the steps of a resumed run took no time
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task("the first steps", total=self.steps, completed=step)
        elif self._bar and (changes or time.monotonic() - self._drawn > REDRAW):
            self._bar.update(self._task, completed=step)
            self._drawn = time.monotonic()

    def show(self, line: dict[str, Any]) -> None:
        """Takes in one line of the log."""
        if not self._shown:
            return
        text = describe_line(line)
        if self._bar and "loss" in line:
            self._bar.update(self._task, completed=line["step"], description=text)
        if self._bar and "eval_accuracy" in line:
            self._bar.console.print(text, highlight=False)
        elif self._reporter and ("eval_accuracy" in line or self._reporter.silence > SILENCE):
            self._reporter.say(text)


@dataclass(frozen=True)
class Pace:
    """Where a run is: what is done since `since`, and that from step `first`, begun at `begun`, it came to `step` then."""

    step: int = 0
    doing: str = ""
    since: float = field(default_factory=time.monotonic)
    first: int = 0
    begun: float = 0.0

    def at(self, step: int, doing: str) -> Pace:
        """What it is now."""
        now = time.monotonic()
        return Pace(step, doing, now, *((self.first, self.begun) if self.doing else (step, now)))

    def describe(self, steps: int) -> str:
        """In words, with what is left at the pace so far."""
        here = duration(time.monotonic() - self.since)
        if not self.doing:
            return f"getting ready, {here} so far"
        done = self.step - self.first
        if self.doing != "training":
            return f"step {self.step:,} of {steps:,} · {self.doing}, {here} so far"
        if not done:
            return f"the first of {steps - self.first:,} steps, {here} so far"
        each = (self.since - self.begun) / done
        left = duration(each * (steps - self.step))
        return f"step {self.step:,} of {steps:,} · {each:.2g} s a step · some {left} left"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
