"""`archc runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archc.cli.console import print_json, print_table
from archc.cli.options import format_option
from archc.cli.training import training_problems

EPILOG = """\b
Examples:
  archc runs runs/
  archc runs runs/ --plot runs.png"""


@click.command(epilog=EPILOG)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--plot",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the curves to a PNG, SVG or PDF.",
)
@format_option
@click.pass_context
def command(ctx: click.Context, directory: Path, picture: Path | None, format_: str) -> None:
    """Tabulate the runs in a directory, best first."""
    with training_problems(ctx):
        from archc.train.runs import find_runs, plot

        runs = find_runs(directory)
        if not runs:
            raise click.ClickException(f"{directory} holds no runs")
        if picture:
            try:
                plot(runs, picture)
            except ImportError as error:
                raise click.ClickException(f"--plot needs {error.name}: pip install matplotlib") from None
    if format_ == "json":
        print_json([{"name": r.name, "accuracy": r.accuracy, "result": r.result} for r in runs])
        return
    print_table(
        ("run", "network", "accuracy", "epochs", "params", "seed", "time", "images/s"),
        map(_row, runs),
        left=2,
    )
    if picture:
        click.echo(f"wrote {picture}")


def _row(run: Any) -> tuple[str, ...]:
    accuracy = "" if run.accuracy is None else f"{run.accuracy:.2%}"
    epochs = f"{run.log[-1]['epoch']:.1f}" if run.log else ""
    if run.result is None:
        return run.name, "(unfinished)", accuracy, epochs, "", "", "", ""
    found = run.result
    return (
        run.name, found["network"], accuracy, epochs, f"{found['params']:,}", str(found["seed"]),
        f"{found['seconds']:.0f} s", f"{found['images_per_second']:,.0f}",
    )  # fmt: skip
