"""The progress of a search: a live bar with the best so far on a terminal, a line for each new best elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from archc.cli.progress import Bar

if TYPE_CHECKING:
    from archc.search.plan import Prepared
    from archc.search.trial import Trial


class Live(Bar):
    """Of a search; `show` takes each trial as it is told."""

    def __init__(self, found: Prepared, trials: int, shown: bool) -> None:
        super().__init__(shown)
        self.found, self.trials = found, trials
        self.evaluated = self.others = 0
        self.best: Trial | None = None

    def _made(self) -> Any:
        from rich import progress
        from rich.console import Console

        made = progress.Progress(
            progress.BarColumn(), progress.MofNCompleteColumn(), progress.TextColumn("{task.description}"),
            progress.TimeElapsedColumn(), progress.TimeRemainingColumn(), console=Console(stderr=True),
        )  # fmt: skip
        self._task = made.add_task("begins", total=self.trials)
        return made

    def show(self, trial: Trial) -> None:
        """Takes in one trial."""
        self.evaluated += trial.state in ("evaluated", "failed")
        self.others += trial.state in ("copied", "rejected")
        better = trial.state == "evaluated" and (
            self.best is None or (trial.proposal.epochs or 0, trial.scores[0]) > self._standing()
        )
        if better:
            self.best = trial
        if not self._shown:
            return
        if self._bar:
            beside = f" · {self.others} copies or rejected" if self.others else ""
            text = (f"best {self._words(self.best)}" if self.best else "nothing yet") + beside
            self._bar.update(self._task, completed=self.evaluated, description=text)
        if better:
            line = f"trial {trial.number}: {self._words(trial)}, {trial.proposal.why}"
            if self._bar:
                self._bar.console.print(line, highlight=False, markup=False)
            else:
                click.echo(line, err=True)

    def _standing(self) -> tuple[float, float]:
        assert self.best is not None  # asked only then
        return (self.best.proposal.epochs or 0, self.best.scores[0])

    def _words(self, trial: Trial) -> str:
        return ", ".join(
            f"{o.metric} {o.shown(s):.6g}" for o, s in zip(self.found.objectives, trial.scores, strict=True)
        )
