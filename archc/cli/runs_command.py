"""`archc runs`."""

from __future__ import annotations

from pathlib import Path

import click

from archc.cli.console import print_json, print_table
from archc.cli.files import OutputPath, write_file
from archc.cli.options import format_option
from archc.cli.training import training_problems

EPILOG = """\b
Examples:
  archc runs runs/
  archc runs runs/ --plot runs.png --html runs.html

\b
Beside the figures stands every key in which the recipes differ. The page is one file that loads nothing.
The picture needs matplotlib: pip install 'archc[report]'."""


@click.command(epilog=EPILOG)
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--plot",
    "picture",
    type=OutputPath(),
    help="Draw the curves to a PNG, SVG or PDF.",
)
@click.option(
    "--html",
    "page",
    type=OutputPath(),
    help="Write the table and the curves to one page.",
)
@format_option
@click.pass_context
def command(
    ctx: click.Context, directory: Path, picture: Path | None, page: Path | None, format_: str
) -> None:
    """Tabulate the runs in a directory side by side, best first."""
    with training_problems(ctx):
        from archc.train.runs import find_runs, html, plot, side_by_side

        runs = find_runs(directory)
        if not runs:
            raise click.ClickException(f"{directory} holds no runs")
        if picture:
            try:
                plot(runs, picture)
            except ImportError as error:
                raise click.ClickException(
                    f"--plot needs {error.name}: pip install 'archc[report]'"
                ) from None
        if page:
            write_file(page, html(runs, str(directory)))
    if format_ == "json":
        print_json([{"name": r.name, "accuracy": r.accuracy, "result": r.result} for r in runs])
        return
    columns, rows = side_by_side(runs)
    print_table(columns, rows, left=2)
    for written in filter(None, (picture, page)):
        click.echo(f"wrote {written}")
